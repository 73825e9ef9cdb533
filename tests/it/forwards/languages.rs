//! Every program in every language, from a table: the labels and markers that each shows, and a date
//! as it writes it. Each must give the same mail.

use mailweave::mail::{Forward, forward};

use super::mail;

/// From, Sent, To, Cc, Subject, as Outlook and others label them; a date of each; the prefix of a
/// forward; how Apple Mail begins one.
const LANGUAGES: &[(&str, [&str; 5], &str, &str, &str)] = &[
    (
        "en",
        ["From", "Sent", "To", "Cc", "Subject"],
        "Monday, January 5, 2026 3:04 PM",
        "FW",
        "Begin forwarded message",
    ),
    (
        "de",
        ["Von", "Gesendet", "An", "Cc", "Betreff"],
        "Montag, 5. Januar 2026 15:04",
        "WG",
        "Anfang der weitergeleiteten Nachricht",
    ),
    (
        "fr",
        ["De", "Envoyé", "À", "Cc", "Objet"],
        "lundi 5 janvier 2026 15:04",
        "TR",
        "Début du message transféré",
    ),
    (
        "es",
        ["De", "Enviado", "Para", "CC", "Asunto"],
        "lunes, 5 de enero de 2026 15:04",
        "RV",
        "Inicio del mensaje reenviado",
    ),
    (
        "pt",
        ["De", "Enviado", "Para", "Cc", "Assunto"],
        "segunda-feira, 5 de janeiro de 2026 15:04",
        "ENC",
        "Início da mensagem encaminhada",
    ),
    (
        "it",
        ["Da", "Inviato", "A", "Cc", "Oggetto"],
        "lunedì 5 gennaio 2026 15:04",
        "I",
        "Inizio messaggio inoltrato",
    ),
    (
        "nl",
        ["Van", "Verzonden", "Aan", "CC", "Onderwerp"],
        "maandag 5 januari 2026 15:04",
        "Doorst",
        "Begin doorgestuurd bericht",
    ),
    (
        "pl",
        ["Od", "Wysłano", "Do", "DW", "Temat"],
        "poniedziałek, 5 stycznia 2026 15:04",
        "PD",
        "Początek przekazywanej wiadomości",
    ),
    (
        "sv",
        ["Från", "Skickat", "Till", "Kopia", "Ämne"],
        "den 5 januari 2026 15:04",
        "VB",
        "Vidarebefordrat mejl",
    ),
    (
        "no",
        ["Fra", "Sendt", "Til", "Kopi", "Emne"],
        "mandag 5. januar 2026 15:04",
        "VS",
        "Videresendt melding",
    ),
    (
        "da",
        ["Fra", "Sendt", "Til", "Cc", "Emne"],
        "5. januar 2026 15:04",
        "VS",
        "Start på videresendt besked",
    ),
    (
        "fi",
        ["Lähettäjä", "Lähetetty", "Vastaanottaja", "Kopio", "Aihe"],
        "maanantai 5. tammikuuta 2026 15.04",
        "VL",
        "Välitetty viesti alkaa",
    ),
    (
        "cs",
        ["Od", "Odesláno", "Komu", "Kopie", "Předmět"],
        "pondělí 5. ledna 2026 15:04",
        "FW",
        "Začátek přeposílané zprávy",
    ),
    (
        "sk",
        ["Od", "Odoslané", "Komu", "Kópia", "Predmet"],
        "pondelok 5. januára 2026 15:04",
        "FW",
        "Začiatok preposlanej správy",
    ),
    (
        "hu",
        ["Feladó", "Elküldve", "Címzett", "Másolatot kap", "Tárgy"],
        "2026. január 5., hétfő 15:04",
        "Továbbítás",
        "Továbbított levél kezdete",
    ),
    (
        "ru",
        ["От", "Отправлено", "Кому", "Копия", "Тема"],
        "5 января 2026 г. 15:04",
        "Пересл",
        "Начало переадресованного сообщения",
    ),
    (
        "uk",
        ["Від", "Надіслано", "Кому", "Копія", "Тема"],
        "5 січня 2026 р. 15:04",
        "Fwd",
        "Початок листа, що пересилається",
    ),
    (
        "tr",
        ["Kimden", "Gönderildi", "Kime", "Bilgi", "Konu"],
        "5 Ocak 2026 Pazartesi 15:04",
        "İLT",
        "İleti başlangıcı",
    ),
    (
        "el",
        ["Από", "Στάλθηκε", "Προς", "Κοιν.", "Θέμα"],
        "Δευτέρα, 5 Ιανουαρίου 2026 3:04 μμ",
        "ΠΡΘ",
        "Αρχή προωθημένου μηνύματος",
    ),
    (
        "ro",
        ["De la", "Trimis", "Către", "Cc", "Subiect"],
        "luni, 5 ianuarie 2026 15:04",
        "FW",
        "Începe mesajul redirecționat",
    ),
    (
        "bg",
        ["От", "Изпратено", "До", "Копие", "Относно"],
        "5 януари 2026 г. 15:04",
        "Препр",
        "Begin forwarded message",
    ),
    (
        "hr",
        ["Šalje", "Poslano", "Prima", "Kopija", "Predmet"],
        "5. siječnja 2026. 15:04",
        "Prosl",
        "Započni proslijeđenu poruku",
    ),
    (
        "ja",
        ["差出人", "送信日時", "宛先", "CC", "件名"],
        "2026年1月5日月曜日 15:04",
        "転送",
        "転送されたメッセージ",
    ),
    (
        "zh-Hans",
        ["发件人", "发送时间", "收件人", "抄送", "主题"],
        "2026年1月5日 15:04",
        "转发",
        "开始转发的邮件",
    ),
    (
        "zh-Hant",
        ["寄件者", "寄件日期", "收件者", "副本", "主旨"],
        "2026年1月5日 下午 03:04",
        "轉寄",
        "開始轉寄郵件",
    ),
    (
        "ko",
        ["보낸 사람", "보낸 날짜", "받는 사람", "참조", "제목"],
        "2026년 1월 5일 월요일 오후 3:04",
        "전달",
        "전달된 메시지",
    ),
];

/// What stands over the block, and how its lines look.
const PROGRAMS: &[(&str, &str, fn(&str, &str) -> String)] = &[
    ("Outlook, classic", "", |label, value| format!("{label}: {value}\n")),
    ("Outlook, of HTML", "", |label, value| format!("**{label}:** {value}  \n")),
    ("Outlook, with spaces", "", |label, value| format!("{label}\u{a0}: {value}\n")),
    ("Outlook, plain text", "-----Original Message-----\n", |label, value| {
        format!("{label}: {value} \n")
    }),
    ("Outlook on the web", "________________________________\n", |label, value| {
        format!("{label}: {value}\n")
    }),
    ("Outlook, wide colons", "", |label, value| format!("{label}：{value}\n")),
    ("Gmail", "---------- Forwarded message ---------\n", |label, value| {
        format!("{label}: {value}\n")
    }),
    ("Thunderbird", "-------- Forwarded Message --------\n", |label, value| {
        format!("{label}: \t{value}\n")
    }),
    ("Apple Mail", "BEGIN:\n\n", |label, value| format!("{label}: {value}\n")),
    ("Apple Mail, quoted", "> BEGIN:\n> \n", |label, value| format!("> {label}: {value}\n")),
    ("web.de", "\n", |label, value| format!("> {label}: {value}\n")),
];

#[test]
fn every_program_in_every_language_gives_the_same_mail() {
    for (name, labels, date, prefix, begin) in LANGUAGES {
        for (program, opening, line) in PROGRAMS {
            let values = [
                "Ann Lee <ann@example.com>",
                date,
                "bob@seller.example",
                "Carl <carl@example.com>",
                "Offer",
            ];
            let block: String =
                labels.iter().zip(values).map(|(label, value)| line(label, value)).collect();
            let quote = if block.starts_with('>') { "> " } else { "" };
            let opening = opening.replace("BEGIN", begin);
            let text = format!("My words.\n\n{opening}{block}{quote}\n{quote}Their words.\n");
            let forward = forward::find(&mail(&format!("{prefix}: Offer"), &text));
            let Forward::Of(forwarded) = forward else {
                panic!("{program} in {name}: {forward:?}\n{text}")
            };
            let what = format!("{program} in {name}\n{text}");
            assert_eq!(forwarded.from.email.normal(), "ann@example.com", "{what}");
            assert_eq!(forwarded.from.name.as_deref(), Some("Ann Lee"), "{what}");
            assert_eq!(forwarded.to.len(), 1, "{what}");
            assert_eq!(forwarded.cc.len(), 1, "{what}");
            assert_eq!(forwarded.subject, "Offer", "{what}");
            let date = forwarded.date.map(|date| date.to_rfc3339());
            assert_eq!(date.as_deref(), Some("2026-01-05T14:04:00.000Z"), "{what}");
            assert_eq!(forwarded.text, "Their words.", "{what}");
        }
    }
}
