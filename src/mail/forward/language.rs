//! How mail programs label the lines that stand over a forwarded or quoted mail, in the languages
//! that they speak. Only words are here; what a line means, others decide.

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

/// One language. Words are in lower case; what mail programs use beside the first word of a list are
/// the words of other programs or versions.
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
        LANGUAGES.iter().map(|language| (score(language), language)).collect();
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
];

/// The languages, those with most users first.
pub const LANGUAGES: &[Language] = &[
    Language {
        name: "en",
        from: &["from"],
        date: &["sent", "date", "sent at", "sent on", "date sent"],
        to: &["to"],
        cc: &["cc", "copy", "copies"],
        subject: &["subject"],
        months: "jan feb mar apr may jun jul aug sep oct nov dec",
    },
    Language {
        name: "de",
        from: &["von", "absender"],
        date: &["gesendet", "datum", "gesendet am", "gesendet um", "date"],
        to: &["an", "empfänger"],
        cc: &["cc", "kopie", "kopie (cc)", "kopie an"],
        subject: &["betreff"],
        months: "jan|jän feb mär|mrz|maer apr mai jun jul aug sep okt nov dez",
    },
    Language {
        name: "fr",
        from: &["de", "expéditeur"],
        date: &["envoyé", "date", "envoyé le", "date d'envoi", "date d’envoi"],
        to: &["à", "a", "pour", "destinataire"],
        cc: &["cc", "copie à", "copie"],
        subject: &["objet", "sujet"],
        months: "jan fév|fev mar avr mai juin juil aoû|aou sep oct nov déc|dec",
    },
    Language {
        name: "es",
        from: &["de", "remitente"],
        date: &["enviado", "fecha", "enviado el", "enviada el", "fecha de envío"],
        to: &["para", "destinatario"],
        cc: &["cc", "con copia", "copia"],
        subject: &["asunto"],
        months: "ene feb mar abr may jun jul ago sep|set oct nov dic",
    },
    Language {
        name: "pt",
        from: &["de", "remetente"],
        date: &["enviado", "data", "enviada", "enviado em", "enviada em", "data de envio"],
        to: &["para", "destinatário"],
        cc: &["cc", "com cópia", "cópia"],
        subject: &["assunto"],
        months: "jan fev mar abr mai jun jul ago set out nov dez",
    },
    Language {
        name: "it",
        from: &["da", "mittente"],
        date: &["inviato", "data", "inviato il", "inviata", "data invio"],
        to: &["a", "per", "destinatario"],
        cc: &["cc", "c.c.", "copia", "per conoscenza"],
        subject: &["oggetto"],
        months: "gen feb mar apr mag giu lug ago set ott nov dic",
    },
    Language {
        name: "nl",
        from: &["van", "afzender"],
        date: &["verzonden", "datum", "verstuurd", "verzonden op"],
        to: &["aan", "geadresseerde"],
        cc: &["cc", "kopie", "kopie aan"],
        subject: &["onderwerp"],
        months: "jan feb maart|mrt apr mei jun jul aug sep okt nov dec",
    },
    Language {
        name: "pl",
        from: &["od", "nadawca"],
        date: &["wysłano", "data", "wysłane", "data wysłania"],
        to: &["do", "adresat"],
        cc: &["dw", "cc", "kopia", "do wiadomości"],
        subject: &["temat"],
        months: "sty lut mar kwi maj cze lip sie wrz paź|paz lis gru",
    },
    Language {
        name: "sv",
        from: &["från", "avsändare"],
        date: &["skickat", "datum", "skickades", "skickat den"],
        to: &["till", "mottagare"],
        cc: &["kopia", "cc", "kopia till"],
        subject: &["ämne", "ärende"],
        months: "jan feb mar apr maj jun jul aug sep okt nov dec",
    },
    Language {
        name: "no",
        from: &["fra", "avsender"],
        date: &["sendt", "dato"],
        to: &["til", "mottaker"],
        cc: &["kopi", "cc", "kopi til"],
        subject: &["emne"],
        months: "jan feb mar apr mai jun jul aug sep okt nov des",
    },
    Language {
        name: "da",
        from: &["fra", "afsender"],
        date: &["sendt", "dato", "sendt den"],
        to: &["til", "modtager"],
        cc: &["cc", "kopi", "kopi til"],
        subject: &["emne"],
        months: "jan feb mar apr maj jun jul aug sep okt nov dec",
    },
    Language {
        name: "fi",
        from: &["lähettäjä"],
        date: &["lähetetty", "päivämäärä", "päiväys", "pvm"],
        to: &["vastaanottaja", "vast.ott."],
        cc: &["kopio", "cc"],
        subject: &["aihe"],
        months: "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
    },
    Language {
        name: "cs",
        from: &["od", "odesílatel"],
        date: &["odesláno", "datum", "posláno"],
        to: &["komu", "pro", "příjemce"],
        cc: &["kopie", "cc"],
        subject: &["předmět"],
        months: "led úno|uno bře|bre dub kvě|kve červ|čvn červenc|čvc srp zář říj lis pro",
    },
    Language {
        name: "sk",
        from: &["od", "odosielateľ"],
        date: &["odoslané", "dátum", "poslané"],
        to: &["komu", "pre", "príjemca"],
        cc: &["kópia", "cc"],
        subject: &["predmet"],
        months: "jan feb mar apr máj|maj jún|jun júl|jul aug sep okt nov dec",
    },
    Language {
        name: "hu",
        from: &["feladó", "küldő"],
        date: &["elküldve", "dátum", "küldve", "küldés dátuma"],
        to: &["címzett", "címzettek"],
        cc: &["másolatot kap", "másolat", "cc"],
        subject: &["tárgy"],
        months: "jan feb már ápr máj jún júl aug sze okt nov dec",
    },
    Language {
        name: "ru",
        from: &["от", "отправитель", "от кого"],
        date: &["отправлено", "дата", "послано", "дата отправки"],
        to: &["кому", "получатель"],
        cc: &["копия", "cc"],
        subject: &["тема"],
        months: "янв фев мар апр май|мая июн июл авг сен окт ноя дек",
    },
    Language {
        name: "uk",
        from: &["від", "від кого", "відправник"],
        date: &["надіслано", "дата", "відправлено"],
        to: &["кому", "одержувач"],
        cc: &["копія", "cc"],
        subject: &["тема"],
        months: "січ лют бер кві тра чер лип сер вер жов лис гру",
    },
    Language {
        name: "tr",
        from: &["kimden", "gönderen"],
        date: &["gönderildi", "tarih", "gönderilen", "gönderilme tarihi", "gönderme tarihi"],
        to: &["kime", "alıcı"],
        cc: &["bilgi", "cc", "kk"],
        subject: &["konu"],
        months: "oca şub mar nis may haz tem ağu eyl eki kas ara",
    },
    Language {
        name: "el",
        from: &["από", "αποστολέας"],
        date: &["στάλθηκε", "ημερομηνία", "αποστολή", "εστάλη", "ημ/νία"],
        to: &["προς", "παραλήπτης"],
        cc: &["κοιν.", "κοιν", "κοινοποίηση", "cc"],
        subject: &["θέμα"],
        months: "ιαν φεβ μαρ|μάρ απρ μαΐ|μάι|μαι|μαϊ ιουν|ιούν ιουλ|ιούλ αυγ|αύγ σεπ οκτ νοε|νοέ δεκ",
    },
    Language {
        name: "ro",
        from: &["de la", "expeditor", "expeditorul"],
        date: &["trimis", "data", "dată", "trimis la"],
        to: &["către", "catre", "destinatar", "destinatarul"],
        cc: &["cc", "copie"],
        subject: &["subiect", "subiectul"],
        months: "ian feb mar apr mai iun iul aug sep oct noi|nov dec",
    },
    Language {
        name: "bg",
        from: &["от", "подател"],
        date: &["изпратено", "дата", "изпратено на"],
        to: &["до", "получател"],
        cc: &["копие", "cc"],
        subject: &["тема", "относно"],
        months: "яну фев мар апр май юни юли авг сеп окт ное дек",
    },
    Language {
        name: "hr",
        from: &["šalje", "od", "pošiljatelj"],
        date: &["poslano", "datum"],
        to: &["za", "prima", "primatelj"],
        cc: &["kopija", "cc"],
        subject: &["predmet", "naslov"],
        months: "sij velj ožu tra svi lip srp kol ruj lis stu pro",
    },
    Language {
        name: "ja",
        from: &["差出人", "送信者", "送信元"],
        date: &["送信日時", "日時", "日付", "送信日"],
        to: &["宛先", "送信先", "to"],
        cc: &["cc", "写し"],
        subject: &["件名"],
        months: "",
    },
    Language {
        name: "zh-Hans",
        from: &["发件人", "发信人", "寄件人"],
        date: &["发送时间", "日期", "发送日期", "时间", "发件时间"],
        to: &["收件人", "收信人"],
        cc: &["抄送", "抄送人"],
        subject: &["主题"],
        months: "",
    },
    Language {
        name: "zh-Hant",
        from: &["寄件者", "寄件人", "發件人"],
        date: &["寄件日期", "日期", "傳送時間", "傳送日期", "發送時間", "寄件時間"],
        to: &["收件者", "收件人"],
        cc: &["副本", "副本抄送", "抄送"],
        subject: &["主旨", "主題"],
        months: "",
    },
    Language {
        name: "ko",
        from: &["보낸 사람", "보낸사람", "발신자", "발신"],
        date: &["보낸 날짜", "날짜", "보낸날짜", "보낸 시간", "발신일", "일시"],
        to: &["받는 사람", "받는사람", "수신자", "수신"],
        cc: &["참조", "cc"],
        subject: &["제목"],
        months: "",
    },
];

static FIELDS: LazyLock<BTreeMap<&'static str, Field>> = LazyLock::new(|| {
    let mut fields: BTreeMap<&'static str, Field> =
        OTHERS.iter().map(|label| (*label, Field::Other)).collect();
    for (field, labels) in LANGUAGES.iter().flat_map(Language::fields) {
        fields.extend(labels.iter().map(|label| (*label, field)));
    }
    fields
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_names_two_fields() {
        for language in LANGUAGES {
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
        for language in LANGUAGES {
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
