//! How mail programs label the lines that stand over a forwarded or quoted mail, in the languages
//! that they speak. Only words are here; what a line means, others decide.

mod asia;
mod north;
mod slavic;
mod south;

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A line of a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    From,
    Date,
    To,
    Cc,
    Subject,
    /// Known to stand in blocks, and of no use: Reply-To, importance, attachments.
    Other,
}

/// One language. Words are in lower case; behind the word of Outlook stand those of other programs.
#[derive(Debug)]
pub struct Language {
    /// BCP 47.
    pub name: &'static str,
    pub from: &'static [&'static str],
    pub date: &'static [&'static str],
    pub to: &'static [&'static str],
    pub cc: &'static [&'static str],
    pub subject: &'static [&'static str],
    /// The beginnings of the names of the months, January first, `|` between spellings. Empty where
    /// months have numbers.
    pub months: &'static str,
}

impl Language {
    /// 1/5 is the fifth of January.
    pub fn puts_month_first(&self) -> bool {
        self.name == "en"
    }

    fn fields(&self) -> [(Field, &'static [&'static str]); 5] {
        [
            (Field::From, self.from),
            (Field::Date, self.date),
            (Field::To, self.to),
            (Field::Cc, self.cc),
            (Field::Subject, self.subject),
        ]
    }
}

/// The field that a label names, in whatever language. The label is in lower case.
pub fn field(label: &str) -> Option<Field> {
    FIELDS.get(label).copied()
}

/// The languages in which most of the labels are words, best first; the label of From weighs more:
/// Gmail translates no other.
pub fn spoken_in(labels: &[(Field, String)]) -> Vec<&'static Language> {
    let score = |language: &Language| -> usize {
        let knows = |label: &(Field, String)| {
            language.fields().iter().any(|(_, words)| words.contains(&label.1.as_str()))
        };
        let weight = |label: &(Field, String)| if label.0 == Field::From { 10 } else { 1 };
        labels.iter().filter(|label| knows(label)).map(weight).sum()
    };
    let mut scored: Vec<(usize, &Language)> =
        languages().map(|language| (score(language), language)).collect();
    let best = scored.iter().map(|(score, _)| *score).max().unwrap_or(0);
    scored.retain(|(score, _)| *score == best && best > 0);
    scored.into_iter().map(|(_, language)| language).collect()
}

/// Labels of [`Field::Other`].
#[rustfmt::skip]
const OTHERS: &[&str] = &[
    // What programs put into the block besides: copies, reply addresses, priorities, lists of files.
    "bcc", "reply-to", "reply to", "sender", "importance", "priority", "attachments",
    "attachment", "message-id", "organization", "sensitivity", "return-path", "mailed-by",
    "signed-by", "antwort an", "wichtigkeit", "priorität", "anlagen", "bcc (blindkopie)",
    "répondre à", "importance", "pièces jointes", "cci", "responder a", "importancia",
    "datos adjuntos", "cco", "responder para", "prioridade", "anexos", "rispondi a", "priorità",
    "allegati", "ccn", "antwoord aan", "urgentie", "bijlagen", "prioriteit", "odpowiedź-do",
    "ważność", "załączniki", "udw", "svara till", "prioritet", "bifogade filer", "svar til",
    "viktighet", "vedlegg", "vedhæftede filer", "vastaus", "tärkeys", "liitteet", "odpověď na",
    "důležitost", "přílohy", "odpovedať-pre", "dôležitosť", "prílohy", "válaszcím", "fontosság",
    "mellékletek", "ответ-кому", "важность", "вложения", "кому відповісти", "важливість",
    "вкладення", "yanıt adresi", "önem derecesi", "ekler", "απάντηση σε", "συνημμένα",
    "importanță", "răspuns către", "atașări", "odgovori na", "返信先", "重要度", "添付ファイル", "回复", "回覆",
    "附件", "重要性", "密送", "密件副本", "답장 주소", "중요도", "첨부 파일", "첨부파일", "첨부",
    // Thunderbird's rows of Reply-To and Organization.
    "rispondi-a", "antwoord-naar", "svar-til", "svar till", "vastausosoite", "adresa pro odpověď",
    "отвечать", "responder-para", "回复地址", "回函地址", "회신 주소", "organisation", "organisatie",
    "organizzazione", "organización", "organização", "firma/organizacja", "organisasjon",
    "järjestö", "společnost", "szervezet", "организация", "kurum", "组织", "公司", "소속",
];

/// Every language.
pub fn languages() -> impl Iterator<Item = &'static Language> {
    [north::LANGUAGES, south::LANGUAGES, slavic::LANGUAGES, asia::LANGUAGES].into_iter().flatten()
}

static FIELDS: LazyLock<BTreeMap<&'static str, Field>> = LazyLock::new(|| {
    let mut fields: BTreeMap<&'static str, Field> =
        OTHERS.iter().map(|label| (*label, Field::Other)).collect();
    for (field, labels) in languages().flat_map(Language::fields) {
        fields.extend(labels.iter().map(|label| (*label, field)));
    }
    fields
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_names_two_fields() {
        for language in languages() {
            for (expected, labels) in language.fields() {
                for label in labels {
                    assert_eq!(field(label), Some(expected), "{label} in {}", language.name);
                    assert_eq!(label.to_lowercase(), *label);
                }
            }
        }
    }

    #[test]
    fn every_language_has_twelve_months_or_numbers() {
        for language in languages() {
            assert!(
                [0, 12].contains(&language.months.split(' ').filter(|it| !it.is_empty()).count()),
                "{}",
                language.name
            );
        }
    }

    #[test]
    fn tells_languages_that_share_labels() {
        let spoken = |labels: &[(Field, &str)]| -> Vec<&str> {
            let labels: Vec<_> = labels.iter().map(|(f, l)| (*f, (*l).to_owned())).collect();
            spoken_in(&labels).iter().map(|language| language.name).collect()
        };
        let de = (Field::From, "de");
        assert_eq!(spoken(&[de, (Field::Subject, "asunto")]), ["es"]);
        assert_eq!(spoken(&[de, (Field::Subject, "objet")]), ["fr"]);
        assert_eq!(spoken(&[(Field::From, "von"), (Field::Subject, "subject")]), ["de"]);
        assert_eq!(spoken(&[(Field::From, "fra"), (Field::Date, "sendt")]), ["no", "da"]);
    }
}
