//! Which folder is which (T8). Exchange has no SPECIAL-USE, and its folders are named in the language of
//! the mailbox: the attribute counts where there is one, then the known names. Pure.

use async_imap::imap_proto::{MailboxListData, NameAttribute};
use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

/// Folders beside Inbox and Sent that are watched, at most.
const OTHERS_MAX: usize = 50;

/// Names of the folder of sent mail, in small letters: Outlook and Exchange, Gmail, Apple Mail, Dovecot
/// and others, in the languages with most users.
const SENT: &[&str] = &[
    "sent",
    "sent items",
    "sent mail",
    "sent messages",
    "gesendet",
    "gesendete elemente",
    "gesendete objekte",
    "gesendete nachrichten",
    "éléments envoyés",
    "envoyés",
    "messages envoyés",
    "elementos enviados",
    "enviados",
    "mensajes enviados",
    "correo enviado",
    "itens enviados",
    "e-mails enviados",
    "mensagens enviadas",
    "correio enviado",
    "posta inviata",
    "inviata",
    "inviati",
    "messaggi inviati",
    "elementi inviati",
    "verzonden items",
    "verzonden",
    "verzonden berichten",
    "elementy wysłane",
    "wysłane",
    "skickat",
    "skickade objekt",
    "skickade meddelanden",
    "sendte elementer",
    "sendt",
    "sendte e-mails",
    "sendt post",
    "lähetetyt",
    "lähetetyt kohteet",
    "lähetetyt viestit",
    "odeslaná pošta",
    "odeslané",
    "odeslané položky",
    "odoslaná pošta",
    "odoslané",
    "elküldött elemek",
    "elküldött üzenetek",
    "elküldött",
    "отправленные",
    "отправленные элементы",
    "надіслані",
    "надіслані елементи",
    "gönderilmiş öğeler",
    "gönderilmiş postalar",
    "gönderilenler",
    "送信済みアイテム",
    "送信済みメール",
    "送信済み",
    "已发送邮件",
    "已发送",
    "已发邮件",
    "寄件備份",
    "已傳送的郵件",
    "已寄出",
    "보낸 편지함",
    "보낸편지함",
    "보낸 항목",
    "απεσταλμένα",
    "στοιχεία που στάλθηκαν",
    "elemente trimise",
    "trimise",
    "изпратени",
    "изпратени елементи",
    "poslane stavke",
    "poslano",
    "poslani elementi",
    "išsiųstieji elementai",
    "išsiųsta",
    "nosūtītie vienumi",
    "nosūtītās",
    "saadetud üksused",
    "saadetud kirjad",
    "elements enviats",
    "enviats",
    "item terkirim",
    "terkirim",
    "mục đã gửi",
    "thư đã gửi",
    "รายการที่ส่ง",
    "ส่งแล้ว",
    "פריטים שנשלחו",
    "דואר יוצא",
    "العناصر المرسلة",
    "المرسلة",
    "भेजे गए आइटम",
    "sendir hlutir",
    "послати ставке",
];

/// Names of folders that are not watched: spam, trash, drafts, outgoing.
const UNWATCHED: &[&str] = &[
    "junk",
    "junk email",
    "junk e-mail",
    "spam",
    "bulk mail",
    "trash",
    "deleted items",
    "deleted messages",
    "drafts",
    "outbox",
    "junk-e-mail",
    "gelöschte elemente",
    "gelöscht",
    "papierkorb",
    "entwürfe",
    "postausgang",
    "courrier indésirable",
    "éléments supprimés",
    "corbeille",
    "brouillons",
    "boîte d'envoi",
    "correo no deseado",
    "elementos eliminados",
    "papelera",
    "borradores",
    "bandeja de salida",
    "lixo eletrônico",
    "lixo eletrónico",
    "itens excluídos",
    "itens eliminados",
    "lixeira",
    "rascunhos",
    "caixa de saída",
    "posta indesiderata",
    "posta eliminata",
    "cestino",
    "bozze",
    "posta in uscita",
    "ongewenste e-mail",
    "verwijderde items",
    "prullenbak",
    "concepten",
    "postvak uit",
    "wiadomości-śmieci",
    "elementy usunięte",
    "kosz",
    "wersje robocze",
    "skrzynka nadawcza",
    "skräppost",
    "borttaget",
    "borttagna objekt",
    "utkast",
    "utkorgen",
    "søppelpost",
    "slettede elementer",
    "slettet post",
    "kladder",
    "uønsket mail",
    "uønsket e-mail",
    "udbakke",
    "utboks",
    "roskaposti",
    "poistetut",
    "luonnokset",
    "lähtevät",
    "nevyžádaná pošta",
    "odstraněná pošta",
    "koncepty",
    "pošta k odeslání",
    "levélszemét",
    "törölt elemek",
    "piszkozatok",
    "нежелательная почта",
    "удаленные",
    "спам",
    "корзина",
    "черновики",
    "исходящие",
    "gereksiz e-posta",
    "silinmiş öğeler",
    "taslaklar",
    "giden kutusu",
    "迷惑メール",
    "削除済みアイテム",
    "ごみ箱",
    "下書き",
    "送信トレイ",
    "垃圾邮件",
    "已删除邮件",
    "草稿",
    "发件箱",
    "垃圾郵件",
    "刪除的郵件",
    "寄件匣",
    "정크 메일",
    "지운 편지함",
    "임시 보관함",
    "보낼 편지함",
    "스팸함",
    "휴지통",
    "нежелательные",
    "удалённые",
    "ανεπιθύμητη αλληλογραφία",
    "ανεπιθύμητα",
    "διαγραμμένα",
    "πρόχειρα",
    "κάδος ανακύκλωσης",
    "απορρίμματα",
    "εξερχόμενα",
    "nevyžiadaná pošta",
    "odstránená pošta",
    "rozpísané",
    "koncept",
    "kôš",
    "koš",
    "na odoslanie",
    "lomtár",
    "kimenő",
    "небажана пошта",
    "видалені",
    "кошик",
    "чернетки",
    "вихідні",
    "e-mail nedorit",
    "elemente șterse",
    "mesaje șterse",
    "coș de gunoi",
    "ciorne",
    "mesaje nefinalizate",
    "нежелана поща",
    "изтрити",
    "изтрити елементи",
    "кошче",
    "чернови",
    "neželena e-pošta",
    "izbrisano",
    "izbrisani elementi",
    "osnutki",
    "smeti",
    "neželjena e-pošta",
    "neželjena pošta",
    "izbrisane stavke",
    "nedovršeno",
    "skice",
    "smeće",
    "nepageidaujamas el. paštas",
    "šlamštas",
    "panaikinti elementai",
    "ištrinta",
    "šiukšlinė",
    "juodraščiai",
    "nevēlamais e-pasts",
    "surogātpasts",
    "dzēstie vienumi",
    "dzēstie",
    "atkritne",
    "melnraksti",
    "rämpspost",
    "kustutatud üksused",
    "kustutatud kirjad",
    "prügikast",
    "mustandid",
    "correu brossa",
    "elements suprimits",
    "suprimits",
    "paperera",
    "esborranys",
    "email sampah",
    "item terhapus",
    "sampah",
    "draf",
    "konsep",
    "email rác",
    "thư rác",
    "mục đã xóa",
    "thùng rác",
    "bản nháp",
    "thư nháp",
    "อีเมลขยะ",
    "จดหมายขยะ",
    "รายการที่ถูกลบ",
    "รายการที่ลบ",
    "ถังขยะ",
    "แบบร่าง",
    "דואר זבל",
    "פריטים שנמחקו",
    "אשפה",
    "טיוטות",
    "البريد الإلكتروني غير الهام",
    "البريد غير الهام",
    "العناصر المحذوفة",
    "المحذوفة",
    "المهملات",
    "المسودات",
    "जंक ईमेल",
    "हटाए गए आइटम",
    "रद्दी",
    "ड्राफ़्ट",
    "ruslpóstur",
    "eyddir hlutir",
    "rusl",
    "drög",
    "нежељена пошта",
    "избрисане ставке",
    "смеће",
    "недовршене поруке",
];

/// Trash at the top of a mailbox; deeper down the word means anything.
const TRASH_AT_TOP: &str = "bin";
/// Where the top of a mailbox is (RFC 2342 5; Gmail).
const TOPS: [&str; 3] = ["inbox", "[gmail]", "[google mail]"];
/// Names that Exchange gives to folders of other things than mail. Rules may move mail to them all the same, and
/// to those below them: they are watched after the others.
const SELDOM_MAIL: &[&str] =
    &["notes", "conversation history", "sync issues", "calendar", "contacts", "tasks", "journal"];

/// A folder as the server lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// On the wire: modified UTF-7 (RFC 3501 5.1.3).
    pub name: String,
    pub delimiter: Option<char>,
    pub is_sent: bool,
    /// It cannot be opened, or holds spam, trash or drafts.
    pub is_unwatched: bool,
}

/// The folders to be watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    pub sent: Option<String>,
    /// The server says that it is for sent mail.
    pub is_sent_told: bool,
    pub others: Vec<String>,
}

impl Listed {
    pub(super) fn read(list: &MailboxListData<'_>) -> Self {
        let has = |wanted: &NameAttribute<'_>| list.name_attributes.iter().any(|it| it == wanted);
        let unwatched = [
            NameAttribute::NoSelect,
            NameAttribute::All,
            NameAttribute::Drafts,
            NameAttribute::Junk,
            NameAttribute::Trash,
        ];
        Self {
            name: list.name.to_string(),
            delimiter: list.delimiter.as_ref().and_then(|text| text.chars().next()),
            is_sent: has(&NameAttribute::Sent),
            is_unwatched: unwatched.iter().any(has),
        }
    }

    /// The last part of its name, as people read it, in small letters.
    fn leaf(&self) -> String {
        let last = match self.delimiter {
            Some(delimiter) => self.name.rsplit(delimiter).next().unwrap_or_default(),
            None => &self.name,
        };
        decoded(last).to_lowercase()
    }

    /// It, or a folder that it is in, is named for spam, trash or drafts.
    fn is_put_aside(&self) -> bool {
        let name = decoded(&self.name).to_lowercase();
        let parts: Vec<&str> = name.split(|c| Some(c) == self.delimiter).collect();
        let mut below_top = parts.iter().skip_while(|part| TOPS.contains(part));
        below_top.next() == Some(&TRASH_AT_TOP) || parts.iter().any(|part| UNWATCHED.contains(part))
    }

    fn seldom_holds_mail(&self) -> bool {
        SELDOM_MAIL.contains(&self.leaf().as_str())
    }

    /// By its attribute or its name, sent mail is kept in it.
    pub(super) fn may_be_sent(&self) -> bool {
        !self.is_unwatched && (self.is_sent || self.is_named_sent())
    }

    fn is_named_sent(&self) -> bool {
        SENT.contains(&self.leaf().as_str()) && !self.is_put_aside()
    }

    /// How little it looks like the folder that the provider itself keeps sent mail in, the likeliest first. The
    /// nearest to the top: a folder in an archive may have the name, too. Beside Exchange's own, whose name
    /// is in the user's language, mail programs make one with an English name.
    fn sent_rank(&self, saves_sent: bool) -> (usize, u8, usize) {
        let depth = self.delimiter.map_or(0, |delimiter| self.name.matches(delimiter).count());
        let foreign = match self.leaf().as_str() {
            "sent items" => 0,
            "sent" | "sent mail" | "sent messages" => 2,
            _ => 1,
        };
        (depth, if saves_sent { foreign } else { 0 }, self.name.len())
    }

    fn is_inbox(&self) -> bool {
        self.name.eq_ignore_ascii_case("INBOX")
    }
}

/// Which folders are watched, and as what. `known` is the folder that was taken for sent mail before, or
/// where such mail turned up; `saves_sent`: the provider itself files what is sent.
pub fn roles(folders: &[Listed], known: Option<&str>, saves_sent: bool) -> Roles {
    let is_known = |it: &&Listed| known == Some(&it.name);
    let by_attribute = || folders.iter().find(|it| it.is_sent && !it.is_unwatched);
    let by_name = || {
        let named = |it: &&Listed| it.is_named_sent() && !it.is_unwatched;
        folders.iter().filter(named).min_by_key(|it| it.sent_rank(saves_sent))
    };
    let sent = folders.iter().find(is_known).or_else(by_attribute).or_else(by_name);
    let is_sent_told = sent.is_some_and(|it| it.is_sent);
    let sent = sent.map(|folder| folder.name.clone());
    let is_other = |folder: &&Listed| {
        !folder.is_inbox()
            && !folder.is_unwatched
            && Some(&folder.name) != sent.as_ref()
            && !folder.is_put_aside()
    };
    let mut others: Vec<&Listed> = folders.iter().filter(is_other).collect();
    others.sort_by_key(|it| it.seldom_holds_mail());
    let others = others.into_iter().take(OTHERS_MAX).map(|it| it.name.clone()).collect();
    Roles { sent, is_sent_told, others }
}

/// How a folder of sent mail is called where there is none: beside the others, which some servers have
/// below the Inbox only (RFC 2342 5).
pub fn new_sent(folders: &[Listed]) -> String {
    let mut others = folders.iter().filter(|it| !it.is_inbox()).peekable();
    let below = |it: &Listed| {
        let end = it.delimiter.map(|delimiter| format!("INBOX{delimiter}"));
        end.filter(|prefix| it.name.starts_with(prefix.as_str()))
    };
    let prefix = others.peek().and_then(|it| below(it)).unwrap_or_default();
    match others.all(|it| it.name.starts_with(&prefix)) {
        true => format!("{prefix}{NEW_SENT}"),
        false => NEW_SENT.to_owned(),
    }
}

const NEW_SENT: &str = "Sent";

/// A name as people read it. What is no modified UTF-7 stays as it is.
pub fn decoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((plain, shifted)) = rest.split_once('&') {
        text.push_str(plain);
        let Some((code, after)) = shifted.split_once('-') else { return name.to_owned() };
        match code {
            "" => text.push('&'),
            _ => match shifted_text(code) {
                Some(decoded) => text.push_str(&decoded),
                None => return name.to_owned(),
            },
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

/// RFC 3501 5.1.3: base64 of UTF-16, with `,` for `/`, without padding.
fn shifted_text(code: &str) -> Option<String> {
    let alphabet = Alphabet::new(MODIFIED).ok()?;
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&alphabet, config).decode(code).ok()?;
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    String::from_utf16(&units).ok()
}

const MODIFIED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> Listed {
        let name = name.to_owned();
        Listed { name, delimiter: Some('/'), is_sent: false, is_unwatched: false }
    }

    #[test]
    fn finds_sent_by_attribute_then_by_name_in_any_language() {
        let sent = |folders: &[Listed]| roles(folders, None, true).sent;
        let marked = Listed { is_sent: true, ..folder("Ausgang") };
        assert_eq!(sent(&[folder("Sent Items"), marked.clone()]).as_deref(), Some("Ausgang"));
        for name in [
            "Sent Items",
            "INBOX/Sent",
            "[Gmail]/Gesendet",
            "&AMk-l&AOk-ments envoy&AOk-s",
            "Elementos enviados",
            "Gesendete Elemente",
            "&kAFP4W4IMH8wojCkMMYw4A-",
            "&XfJT0ZABkK5O9g-",
            "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-",
        ] {
            assert_eq!(sent(&[folder("INBOX"), folder(name)]).as_deref(), Some(name));
        }
        assert_eq!(sent(&[folder("INBOX"), folder("Projects")]), None);
        let nested = [folder("Archive/2020/Sent"), folder("Sent")];
        assert_eq!(sent(&nested).as_deref(), Some("Sent"));
        assert_eq!(
            roles(&[marked, folder("Sent")], Some("Sent"), true).sent.as_deref(),
            Some("Sent")
        );
    }

    #[test]
    fn of_two_that_are_named_for_sent_mail_the_provider_s_own_is_taken() {
        for (names, saves_sent, wanted) in [
            (&["Sent", "Sent Items"][..], true, "Sent Items"),
            (&["Sent Items", "Sent"], false, "Sent"),
            (&["Sent", "Gesendete Elemente", "Sent Messages"], true, "Gesendete Elemente"),
            (&["Sent", "Archive/Sent Items"], true, "Sent"),
        ] {
            let folders: Vec<Listed> = names.iter().map(|name| folder(name)).collect();
            let roles = roles(&folders, None, saves_sent);
            assert_eq!(roles.sent.as_deref(), Some(wanted), "{names:?}");
            assert!(!roles.is_sent_told);
        }
    }

    #[test]
    fn watches_no_spam_no_trash_and_no_drafts() {
        let junk = Listed { is_unwatched: true, ..folder("Werbung") };
        let folders = [
            folder("inbox"),
            folder("Sent Items"),
            folder("Drafts"),
            folder("Gel&APY-schte Elemente"),
            folder("Junk Email"),
            junk,
            folder("Customers"),
            folder("Archive"),
        ];
        assert_eq!(roles(&folders, None, true).others, ["Customers", "Archive"]);
    }

    #[test]
    fn watches_nothing_that_is_below_them_either_in_any_language() {
        for name in [
            "Trash/2020/Customers",
            "Drafts/Sent",
            "INBOX/Spam",
            "Izbrisano",
            "&BkYGMQ-/Trash",
            "Ne&AX4-eljena e-po&AWE-ta",
            "R&AOQ-mpspost",
            "&DhYOMQ4HDgIOIg4w-",
            "Esborranys",
            "Sampah",
            "T&AOk-ma/&BCcENQRABD0EPgQyBDg-",
        ] {
            assert_eq!(roles(&[folder(name)], None, true), Roles::default(), "{name}");
        }
        assert_eq!(roles(&[folder("Trashy/Drafting")], None, true).others, ["Trashy/Drafting"]);
    }

    #[test]
    fn watches_what_rules_may_move_mail_to_however_it_is_named() {
        let names =
            ["Contacts", "Contacts/Acme", "Journal", "Customers", "Old/Bin/Acme", "Tasks/Notes"];
        let folders = names.map(folder);
        let others = roles(&folders, None, true).others;
        assert_eq!(
            others,
            ["Contacts/Acme", "Customers", "Old/Bin/Acme", "Contacts", "Journal", "Tasks/Notes"]
        );
        for name in ["Bin", "Bin/Acme", "INBOX/Bin", "[Gmail]/Bin"] {
            assert_eq!(roles(&[folder(name)], None, true), Roles::default(), "{name}");
        }
    }

    #[test]
    fn a_new_folder_of_sent_mail_stands_beside_the_others() {
        for (names, new) in [
            (&["INBOX"][..], "Sent"),
            (&["INBOX", "Archive"], "Sent"),
            (&["INBOX", "INBOX/Archive", "INBOX/Old"], "INBOX/Sent"),
            (&["INBOX", "INBOX/Archive", "Old"], "Sent"),
        ] {
            let folders: Vec<Listed> = names.iter().map(|name| folder(name)).collect();
            assert_eq!(new_sent(&folders), new, "{names:?}");
        }
    }

    #[test]
    fn decodes_names_and_leaves_what_is_none() {
        for (name, text) in [
            ("Entw&APw-rfe", "Entwürfe"),
            ("R&-D", "R&D"),
            ("A & B", "A & B"),
            ("&!!!-", "&!!!-"),
            ("&2D0-", "&2D0-"),
            ("../&AA0ACg-", "../\r\n"),
        ] {
            assert_eq!(decoded(name), text);
        }
    }

    #[test]
    fn sent_has_names_in_at_least_25_languages() {
        let mut names = SENT.to_vec();
        names.sort_unstable();
        names.dedup();
        assert!(names.len() == SENT.len() && names.len() > 75);
        assert!(SENT.iter().all(|name| name.to_lowercase() == *name));
        assert!(UNWATCHED.iter().all(|name| name.to_lowercase() == *name && !SENT.contains(name)));
    }
}
