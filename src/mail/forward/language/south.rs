//! The languages of the south of Europe, and Turkish.

use super::Language;

/// Their labels and months.
pub const LANGUAGES: &[Language] = &[
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
        name: "ro",
        from: &["de la", "expeditor", "expeditorul"],
        date: &["trimis", "data", "dată", "trimis la"],
        to: &["către", "catre", "destinatar", "destinatarul"],
        cc: &["cc", "copie"],
        subject: &["subiect", "subiectul"],
        months: "ian feb mar apr mai iun iul aug sep oct noi|nov dec",
    },
    Language {
        name: "ca",
        from: &["de"],
        date: &["enviat", "data", "enviat el"],
        to: &["per a", "a"],
        cc: &["cc", "còpia"],
        subject: &["assumpte"],
        months: "gen feb mar abr maig|mai juny juli|jul ago|ag set oct nov des",
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
        name: "tr",
        from: &["kimden", "gönderen"],
        date: &["gönderildi", "tarih", "gönderilen", "gönderilme tarihi", "gönderme tarihi"],
        to: &["kime", "alıcı"],
        cc: &["bilgi", "cc", "kk"],
        subject: &["konu"],
        months: "oca şub mar nis may haz tem ağu eyl eki kas ara",
    },
];
