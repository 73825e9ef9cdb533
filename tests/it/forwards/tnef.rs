//! `winmail.dat`, written here by a small builder after MS-OXTNEF, and read.

use mailweave::mail::tnef::{FILES_MAX, open};

const ATTACH_BEGIN: u32 = 0x0006_9002;
const ATTACH_DATA: u32 = 0x0006_800F;
const ATTACH_TITLE: u32 = 0x0001_8010;
const ATTACHMENT: u32 = 0x0006_9005;
const BODY: u32 = 0x0002_800C;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const CODE_PAGE: u32 = 0x0006_9007;

/// A `winmail.dat`.
struct Winmail(Vec<u8>);

impl Winmail {
    fn new() -> Self {
        Self([&0x223E_9F78_u32.to_le_bytes()[..], &[1, 0]].concat())
    }

    fn with(mut self, id: u32, data: &[u8]) -> Self {
        let sum = data.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
        self.0.push(if id == BODY || id == MESSAGE_PROPERTIES { 1 } else { 2 });
        self.0.extend(id.to_le_bytes());
        self.0.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        self.0.extend(data);
        self.0.extend(sum.to_le_bytes());
        self
    }

    fn with_file(self, title: &[u8], data: &[u8]) -> Self {
        self.with(ATTACH_BEGIN, &[0; 14]).with(ATTACH_TITLE, title).with(ATTACH_DATA, data)
    }
}

/// A list of MAPI properties.
fn properties(list: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(list.len()).unwrap();
    [count.to_le_bytes().to_vec(), list.concat()].concat()
}

fn head(id: u16, kind: u16) -> Vec<u8> {
    [kind.to_le_bytes(), id.to_le_bytes()].concat()
}

/// A property of bytes: a string of 8 bits (0x1E), an object (0x0D), a binary (0x102).
fn long(id: u16, kind: u16, value: &[u8]) -> Vec<u8> {
    let mut property = [head(id, kind), 1_u32.to_le_bytes().to_vec()].concat();
    property.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
    property.extend(value);
    property.resize(property.len().next_multiple_of(4), 0);
    property
}

fn unicode(id: u16, value: &str) -> Vec<u8> {
    let bytes: Vec<u8> = value.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    long(id, 0x1F, &bytes)
}

fn number(id: u16, value: u32) -> Vec<u8> {
    [head(id, 0x0003), value.to_le_bytes().to_vec()].concat()
}

/// RTF in the frame of MS-OXRTFCP, not compressed.
fn framed_rtf(rtf: &str) -> Vec<u8> {
    let size = u32::try_from(rtf.len()).unwrap();
    let head = [size + 12, size, 0x414C_454D, 0].map(u32::to_le_bytes).concat();
    [head, rtf.as_bytes().to_vec()].concat()
}

#[test]
fn opens_files_with_their_long_names_types_and_ids() {
    let about = properties(&[
        number(0x3705, 1),
        unicode(0x3707, "Angebot für Ann – Entwurf.pdf"),
        long(0x370E, 0x1E, b"Application/PDF\0"),
        unicode(0x3712, "<image001@example.com>"),
    ]);
    let winmail = Winmail::new()
        .with(CODE_PAGE, &[0xE4, 4, 0, 0, 0, 0, 0, 0])
        .with_file(b"ANGEBO~1.PDF\0", b"%PDF-1.7")
        .with(ATTACHMENT, &about)
        .with_file(b"B\xfccher.txt\0", b"words");
    let opened = open(&winmail.0).unwrap();
    let [first, second] = &opened.files[..] else { panic!("{opened:?}") };
    assert_eq!(first.name, "Angebot für Ann – Entwurf.pdf");
    assert_eq!(first.content_type.as_deref(), Some("application/pdf"));
    assert_eq!(first.content_id.as_deref(), Some("image001@example.com"));
    assert_eq!(first.content, b"%PDF-1.7");
    assert_eq!((second.name.as_str(), &second.content[..]), ("Bücher.txt", &b"words"[..]));
}

#[test]
fn opens_the_bodies() {
    let html = "<p>Привет</p>".to_owned();
    let windows_1251: Vec<u8> = b"<p>\xcf\xf0\xe8\xe2\xe5\xf2</p>".to_vec();
    // The code page stands behind the HTML.
    let list = properties(&[
        unicode(0x1000, "Plain words"),
        long(0x1013, 0x102, &windows_1251),
        number(0x3FDE, 1251),
    ]);
    let opened = open(&Winmail::new().with(MESSAGE_PROPERTIES, &list).0).unwrap();
    assert_eq!((opened.text.as_deref(), opened.html), (Some("Plain words"), Some(html)));
    let opened = open(&Winmail::new().with(BODY, b"Plain\0").0).unwrap();
    assert_eq!(opened.text.as_deref(), Some("Plain"));
}

#[test]
fn unwraps_the_body_from_rtf() {
    let rtf = r"{\rtf1\ansi\ansicpg1252\fromhtml1{\*\htmltag64 <p>}Hello{\*\htmltag72 </p>}}";
    let list = properties(&[long(0x1009, 0x102, &framed_rtf(rtf))]);
    let opened = open(&Winmail::new().with(MESSAGE_PROPERTIES, &list).0).unwrap();
    assert_eq!(opened.html.as_deref(), Some("<p>Hello</p>"));
    let list = properties(&[long(0x1009, 0x102, &framed_rtf(r"{\rtf1 Hello\par Bob}"))]);
    let opened = open(&Winmail::new().with(MESSAGE_PROPERTIES, &list).0).unwrap();
    assert_eq!((opened.text.as_deref(), opened.html), (Some("Hello\nBob"), None));
}

#[test]
fn names_and_many_values_of_properties_are_stepped_over() {
    let named_by_number = [
        head(0x8001, 0x0003),
        vec![7; 16],
        0_u32.to_le_bytes().to_vec(),
        42_u32.to_le_bytes().to_vec(),
        1_u32.to_le_bytes().to_vec(),
    ]
    .concat();
    let named_by_words = [
        head(0x8002, 0x000B),
        vec![7; 16],
        1_u32.to_le_bytes().to_vec(),
        6_u32.to_le_bytes().to_vec(),
        b"a\0b\0\0\0\0\0".to_vec(),
        1_u32.to_le_bytes().to_vec(),
    ]
    .concat();
    let many = [
        head(0x3A01, 0x101F),
        2_u32.to_le_bytes().to_vec(),
        2_u32.to_le_bytes().to_vec(),
        b"a\0\0\0".to_vec(),
        4_u32.to_le_bytes().to_vec(),
        b"b\0\0\0".to_vec(),
    ]
    .concat();
    let time = [head(0x0039, 0x0040), vec![9; 8]].concat();
    let list = properties(&[named_by_number, named_by_words, many, time, unicode(0x1000, "Found")]);
    let opened = open(&Winmail::new().with(MESSAGE_PROPERTIES, &list).0).unwrap();
    assert_eq!(opened.text.as_deref(), Some("Found"));
}

/// A mail that is an attachment, around another `winmail.dat`.
fn with_mail(title: &str, inner: &Winmail) -> Winmail {
    let object = [vec![0; 16], inner.0.clone()].concat();
    let about = properties(&[unicode(0x3001, title), long(0x3701, 0x000D, &object)]);
    Winmail::new().with(ATTACH_BEGIN, &[0; 14]).with(ATTACHMENT, &about)
}

#[test]
fn opens_mails_that_are_attachments() {
    let inner = Winmail::new().with(BODY, b"Inner words\0").with_file(b"plan.pdf\0", b"%PDF");
    let opened = open(&with_mail("Old mail", &inner).0).unwrap();
    let names: Vec<&str> = opened.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["Old mail.txt", "plan.pdf"]);
    assert_eq!(opened.files[0].content, b"Inner words");
}

#[test]
fn mails_in_mails_without_end_are_not_followed() {
    let mut winmail = Winmail::new().with_file(b"last\0", b"x");
    for _ in 0..50 {
        winmail = with_mail("again", &winmail);
    }
    let opened = open(&winmail.0).unwrap();
    assert_eq!(opened.files.len(), 1);
    assert!(opened.files[0].content.len() <= winmail.0.len());
}

#[test]
fn a_damaged_attribute_is_left_out_and_a_cut_one_ends_it() {
    let mut winmail = Winmail::new().with(BODY, b"damaged\0");
    let end = winmail.0.len();
    winmail.0[end - 1] ^= 0xFF;
    let winmail = winmail.with_file(b"a.txt\0", b"words");
    let opened = open(&winmail.0).unwrap();
    assert_eq!((opened.text, opened.files.len()), (None, 1));
    for end in 0..winmail.0.len() {
        let _ = open(&winmail.0[..end]);
    }
    assert_eq!(open(b"not TNEF at all"), None);
    assert_eq!(open(b""), None);
}

#[test]
fn does_not_believe_counts_and_lengths() {
    let mut endless = Winmail::new();
    for _ in 0..10_000 {
        endless = endless.with(ATTACH_BEGIN, &[]);
    }
    assert_eq!(open(&endless.0).unwrap().files.len(), FILES_MAX);
    let count = 0xFFFF_FFFF_u32.to_le_bytes().to_vec();
    for list in [
        count.clone(),
        [count.clone(), long(0x1000, 0x1E, b"x")].concat(),
        [1_u32.to_le_bytes().to_vec(), head(0x1000, 0x101E), count.clone()].concat(),
        [1_u32.to_le_bytes().to_vec(), head(0x1000, 0x001E), count.clone(), count.clone()].concat(),
        [1_u32.to_le_bytes().to_vec(), head(0x8000, 0x001E), vec![1; 20], count].concat(),
    ] {
        assert!(open(&Winmail::new().with(MESSAGE_PROPERTIES, &list).0).is_some());
    }
}
