//! The phrases by which mail programs tell a forward, an answer and a signature, in the languages
//! that they speak, all in lower case.

/// Prefixes of the subject of a forward, without the colon.
#[rustfmt::skip]
pub const FORWARD_PREFIXES: &[&str] = &[
    "fw", "fwd", "forward", "forwarded", // English, and most programs anywhere
    "wg", "weitergeleitet", // German
    "tr", "trans", "transf", "réexp", // French
    "rv", "reenv", "reenviar", // Spanish
    "enc", "encaminhado", "res-enc", // Portuguese
    "i", "inoltro", "inoltra", // Italian
    "doorst", "doorgest", // Dutch
    "pd", // Polish
    "vb", // Swedish
    "videresend", "videresendt", "vid", // Norwegian, Danish
    "vl", // Finnish
    "přep", "preposl", // Czech, Slovak
    "továbbítás", "továbbítva", "tovább", "tov", "továbbított", // Hungarian
    "пересл", "пересылка", "пер", "пх", // Russian
    "пересл.", "препр", // Ukrainian, Bulgarian
    "ilt", "ilet", // Turkish
    "πρθ", "προωθ", // Greek
    "redir", "redirecționat", // Romanian
    "prosl", // Croatian
    "転送", // Japanese
    "转发", "轉寄", "轉發", "轉傳", // Chinese
    "전달", // Korean
];

/// Prefixes of the subject of an answer, without the colon.
#[rustfmt::skip]
pub const REPLY_PREFIXES: &[&str] = &[
    "re", "reply", // English, and most programs anywhere
    "aw", "antw", "antwort", // German, Dutch
    "rép", "rep", "réf", // French
    "res", "resp", // Portuguese, Spanish
    "r", "rif", "risp", // Italian
    "odp", // Polish
    "sv", "svar", // Swedish, Norwegian, Danish
    "vst", "vast", // Finnish; "VS" is one of the ambiguous
    "odp", "odpověď", // Czech, Slovak
    "vá", "válasz", // Hungarian
    "отв", "ответ", "на", "відп", "отг", // Russian, Ukrainian, Bulgarian
    "ynt", "yanıt", "cevap", // Turkish
    "απ", "σχετ", "απάντηση", // Greek
    "răsp", "ră", // Romanian
    "odg", // Croatian
    "返信", "回复", "答复", "回覆", "答覆", // Japanese, Chinese
    "회신", "답장", "답변", // Korean
];

/// A forward in Danish and Norwegian (`videresend`), an answer in Finnish (`vastaus`).
pub const AMBIGUOUS_PREFIX: &str = "vs";

/// Between rules of dashes or the like, over a forwarded mail.
#[rustfmt::skip]
pub const FORWARDED: &[&str] = &[
    "forwarded message", "forwarded mail", "forwarded email", "begin forwarded message",
    "forward message", "start of forwarded message", "start forwarded message", "fwd message",
    "weitergeleitete nachricht", "weitergeleitete mail", "weitergeleitete e-mail",
    "message transféré", "message transmis", "message réexpédié", "courriel transféré",
    "mensaje reenviado", "mensaje reenviado original", "mensagem encaminhada",
    "mensagem reencaminhada", "messaggio inoltrato", "doorgestuurd bericht", "doorgestuurd",
    "przekazana wiadomość", "treść przekazanej wiadomości", "wiadomość przekazana dalej", "wiadomość przesłana dalej",
    "wiadomość przekazana", "vidarebefordrat meddelande", "vidarebefordrat mejl",
    "vidarebefordrat mail", "videresendt melding", "videresendt meddelelse",
    "videresendt besked", "videresendt e-post", "videresendt mail", "välitetty viesti",
    "edelleenlähetetty viesti", "välitetty viesti / fwd.msg", "přeposlaná zpráva",
    "předaná zpráva", "preposlaná správa", "preposlaná správa --- forwarded message",
    "továbbított üzenet", "továbbított levél", "пересылаемое сообщение",
    "перенаправленное сообщение", "пересланное сообщение", "переслане повідомлення",
    "перенаправлене повідомлення", "лист, що пересилається", "препратено съобщение",
    "iletilen ileti", "iletilmiş mesaj", "iletilen mesaj", "yönlendirilen ileti",
    "yönlendirilmiş mesaj", "προωθημένο μήνυμα", "προωθούμενο μήνυμα", "προωθηθέν μήνυμα",
    "mesaj redirecționat", "mesaj transmis", "mesaj redirectionat", "proslijeđena poruka",
    "転送メッセージ", "メッセージを転送", "転送されたメッセージ", "転送", "转发邮件信息", "转发的邮件", "转发邮件", "转发的消息", "已转发邮件", "轉寄郵件", "轉寄的郵件",
    "轉寄訊息", "轉寄的訊息", "轉寄郵件訊息", "已轉寄郵件", "轉發郵件", "전달된 메시지", "전달된 메일", "전달 메시지", "전달된 내용",
];

/// The same, followed by who forwarded it or whose mail it is.
#[rustfmt::skip]
pub const FORWARDED_BY: &[&str] = &[
    "forwarded by ", "forwarded message from ", "forwarded mail from ", "weitergeleitet von ",
    "transféré par ", "reenviado por ", "inoltrato da ", "doorgestuurd door ",
    "przesłane przez ", "encaminhado por ",
];

/// Without rules, before a colon, as Apple Mail writes it.
#[rustfmt::skip]
pub const BEGIN_FORWARDED: &[&str] = &[
    "begin forwarded message", "anfang der weitergeleiteten nachricht",
    "anfang der weitergeleiteten e-mail", "début du message réexpédié",
    "début du message transféré", "inicio del mensaje reenviado",
    "início da mensagem reencaminhada", "início da mensagem encaminhada",
    "inizio messaggio inoltrato", "begin doorgestuurd bericht",
    "początek przekazywanej wiadomości", "początek przesyłanej wiadomości",
    "vidarebefordrat mejl", "vidarebefordrat brev", "videresendt melding", "videresendt e-post",
    "start på videresendt besked", "välitetty viesti alkaa", "välitetty viesti",
    "začátek přeposílané zprávy", "začiatok preposlanej správy", "továbbított levél kezdete",
    "начало переадресованного сообщения", "начало пересылаемого сообщения",
    "початок листа, що пересилається", "початок пересланого повідомлення", "ileti başlangıcı",
    "iletilen ileti başlangıcı", "iletilen ileti", "αρχή προωθημένου μηνύματος",
    "έναρξη προωθημένου μηνύματος", "începe mesajul redirecționat",
    "započni proslijeđenu poruku", "転送されたメッセージ", "開始轉寄郵件", "以下是轉寄的郵件", "开始转发的邮件", "以下是转发的邮件",
    "下面是被转发的邮件", "轉寄的郵件", "전달된 메시지", "전달된 메시지의 시작",
];

/// After a forwarded mail.
pub const END_FORWARDED: &[&str] = &[
    "end of forwarded message",
    "end forwarded message",
    "end of forwarded mail",
    "ende der weitergeleiteten nachricht",
    "конец пересылаемого сообщения",
    "fin du message transféré",
    "fin del mensaje reenviado",
];

/// Between rules of dashes, over the mail that is forwarded or answered.
#[rustfmt::skip]
pub const ORIGINAL: &[&str] = &[
    "original message", "original mail", "original email", "original", "message d'origine",
    "message d’origine", "message original", "message initial", "courriel original",
    "ursprüngliche nachricht", "originalnachricht", "original-nachricht", "ursprüngliche mail",
    "mensaje original", "mensagem original", "messaggio originale", "messaggio orig.",
    "oorspronkelijk bericht", "origineel bericht", "wiadomość oryginalna",
    "oryginalna wiadomość", "ursprungligt meddelande", "originalmeddelande",
    "opprinnelig melding", "original melding", "oprindelig meddelelse", "original meddelelse",
    "oprindelig besked", "alkuperäinen viesti", "původní zpráva", "původní e-mail",
    "pôvodná správa", "eredeti üzenet", "исходное сообщение", "оригинальное сообщение",
    "вихідне повідомлення", "оригінальне повідомлення", "оригинално съобщение", "özgün ileti",
    "orijinal mesaj", "orijinal ileti", "αρχικό μήνυμα", "mesaj original", "mesajul original",
    "mesaj inițial", "izvorna poruka", "originalna poruka", "元のメッセージ", "原始邮件", "邮件原件", "原邮件",
    "原始郵件", "原始訊息", "원본 메시지", "원본 메일",
    "replied message", "回复的原邮件",
];

/// Words of "… wrote:", with which a quotation is introduced.
#[rustfmt::skip]
pub const WROTE: &[&str] = &[
    "wrote", "writes", "schrieb", "geschrieben", "écrit", "escribió", "escribio", "escreveu",
    "scritto", "schreef", "geschreven", "napisał", "napisała", "napisana", "pisze", "skrev", "följande",
    "kirjoitti", "napsal", "napsala", "napísal", "napísala", "írta", "написал", "написала",
    "пишет", "написав", "пише", "написа", "yazdı", "έγραψε", "scris", "napisao", "napisala",
    "написао", "напиша", "rašė", "rakstīja", "kirjutas", "escribiu", "skrifaði", "menulis", "viết",
    "geskryf", "shkroi", "idatzi", "aliandika", "sinulat", "نوشت",
];

/// The same in languages without spaces between words.
#[rustfmt::skip]
pub const WROTE_WITHIN: &[&str] = &[
    "のメッセージ", "のメール", "書きました", "写道", "寫道", "作成", "작성", "쓰기", "쓴 글",
    "เขียนว่า", "लिखा", "كتابة",
];

/// Words with which such a line begins.
#[rustfmt::skip]
pub const INTRODUCTIONS: &[&str] = &[
    "on ", "am ", "le ", "el ", "em ", "il ", "op ", "w dniu ", "dnia ", "den ", "dne ", "dňa ",
    "på ", "στις ", "la ", "în ", "pe ", "em ", "a(z) ", "kl. ", "vào ", "pada ", "în data ",
    "u ", "del ", "d. ", "на ", "в ", "在 ", "於 ", "于 ",
];

/// What programs of telephones and tablets sign with: a line that begins so.
#[rustfmt::skip]
pub const SIGNED_BY_PROGRAM: &[&str] = &[
    "sent from my ", "sent from outlook", "sent from mail", "sent from yahoo",
    "sent from proton", "sent from samsung", "sent from gmail", "sent via ", "sent with ",
    "get outlook for ", "sent using ", "von meinem ", "gesendet von ", "gesendet mit ",
    "von unterwegs gesendet", "laden sie outlook für ", "outlook für ",
    "holen sie sich outlook", "hol dir outlook für", "diese nachricht wurde von mein",
    "envoyé de mon ", "envoyé depuis ", "envoyé à partir de ", "envoyé de ",
    "obtenez outlook pour ", "télécharger outlook pour ", "envoyé avec ", "enviado desde ",
    "enviado con ", "obtener outlook para ", "descargar outlook para ", "enviado do ",
    "enviado de ", "enviado a partir ", "enviado via ", "obter o outlook para ",
    "obtenha o outlook para ", "baixe o outlook para ", "inviato da ", "inviato dal ",
    "inviato con ", "ottieni outlook per ", "scarica outlook per ", "verzonden vanaf ",
    "verstuurd vanaf ", "verzonden met ", "verzonden via ", "outlook voor ",
    "download outlook voor ", "verkrijg outlook voor ", "wysłane z ", "wysłano z ",
    "pobierz outlook dla ", "pobierz program outlook ", "wysłane przy użyciu ", "skickat från ",
    "skickades från ", "skaffa outlook för ", "hämta outlook för ", "sendt fra ", "sendt med ",
    "få outlook for ", "hent outlook for ", "hent outlook til ", "få outlook til ",
    "last ned outlook for ", "lähetetty ", "hanki outlook ", "hae outlook ", "odesláno z ",
    "získat outlook pro ", "stáhnout outlook pro ", "odoslané z ", "získať outlook pre ",
    "elküldve ", "outlook beszerzése ", "az outlook ", "отправлено с ", "отправлено из ",
    "получить outlook для ", "скачать outlook для ", "надіслано з ", "відправлено з ",
    "отримати outlook для ", "завантажити outlook для ", "изпратено от ", "вземете outlook за ",
    "iphone'umdan gönderildi", "iphone’umdan gönderildi", "ipad'imden gönderildi",
    "outlook'u edinin", "android için outlook", "ios için outlook",
    "samsung cihazımdan gönderildi", "στάλθηκε από ", "εστάλη από ", "λήψη του outlook για ",
    "αποστολή από ", "trimis de pe ", "trimis din ", "obțineți outlook pentru ",
    "descărcați outlook pentru ", "poslano s ", "poslano iz ", "nabavite outlook za ",
    "iphoneから送信", "ipadから送信", "私のiphoneから送信", "outlook for ios を入手", "outlook for android を入手",
    "ios 版 outlook", "android 版 outlook", "outlook for iosを入手", "发自我的", "从我的", "发送自",
    "获取 outlook for ", "获取适用于", "下载适用于", "从 windows 版邮件发送", "從我的", "傳送自", "寄自我的", "從我的 iphone",
    "取得 outlook for ", "取得適用於", "나의 iphone에서 보냄", "내 iphone에서 보냄", "iphone에서 보냄", "ipad에서 보냄",
    "나의 ipad에서 보냄", "ios용 outlook", "android용 outlook", "내 galaxy에서 보냄",
];

/// … or ends so.
#[rustfmt::skip]
pub const SIGNED_BY_PROGRAM_END: &[&str] = &[
    "gesendet", "küldve", "gönderildi", "から送信", "을 받으세요", "다운로드", "에서 보냄", "edinin", "を入手",
    "letöltése", "발송",
];

/// A signature of a program names a device or a program.
#[rustfmt::skip]
pub const DEVICES: &[&str] = &[
    "iphon", "ipad", "outlook", "android", "samsung", "galaxy", "mobil", "móvil", "movil",
    "handy", "telefon", "phone", "téléphone", "teléfono", "mail", "huawei", "xiaomi", "redmi",
    "oneplus", "pixel", "blackberry", "windows", "yahoo", "proton", "tablet", "celular", "mac",
    "смартфон", "телефон", "почт", "пошт", "κινητό", "matkapuhelim", "puhelim", "手机", "手機",
    "휴대", "スマート", "邮箱", "郵件", "邮件",
];
