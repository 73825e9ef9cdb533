//! The Slavic languages.

use super::Language;

/// Their labels and months.
pub const LANGUAGES: &[Language] = &[
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
        name: "sl",
        from: &["od", "pošiljatelj"],
        date: &["poslano", "datum"],
        to: &["za", "prejemnik"],
        cc: &["kp", "cc"],
        subject: &["zadeva"],
        months: "jan feb mar apr maj jun jul avg sep okt nov dec",
    },
];
