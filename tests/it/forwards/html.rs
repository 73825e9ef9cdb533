//! Forwards of mails that have only HTML, read from their bytes on: the text that is made of it must
//! keep the block readable.

use mailweave::mail::{Forward, Limits, forward, parse};

fn find(subject: &str, html: &str) -> Forward {
    let raw = format!(
        "From: Bob <bob@seller.example>\r\nTo: bcc@crm.example\r\nSubject: {subject}\r\n\
         Date: Tue, 6 Jan 2026 10:00:00 +0100\r\nMessage-ID: <1@seller.example>\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>{html}</body></html>\r\n"
    );
    forward::find(&parse::read(raw.as_bytes(), &Limits::default()))
}

#[test]
fn reads_forwards_that_have_only_html() {
    for (program, subject, html) in [
        (
            "Outlook, classic",
            "FW: Offer",
            "<div><p class=MsoNormal>FYI<o:p></o:p></p><div><div style='border:none;border-top:solid \
             #E1E1E1 1.0pt'><p class=MsoNormal><b>From:</b> Ann Lee &lt;ann@example.com&gt; <br>\
             <b>Sent:</b> Monday, January 5, 2026 3:04 PM<br><b>To:</b> Bob Smith \
             &lt;bob@seller.example&gt;<br><b>Subject:</b> Offer<o:p></o:p></p></div></div>\
             <p class=MsoNormal><o:p>&nbsp;</o:p></p><p>Their words.</p></div>",
        ),
        (
            "Outlook on the web",
            "Fw: Offer",
            "<div><br></div><div id='appendonsend'></div><hr style='display:inline-block;width:98%'>\
             <div id='divRplyFwdMsg' dir='ltr'><font face='Calibri'><b>From:</b> Ann Lee \
             &lt;ann@example.com&gt;<br><b>Sent:</b> Monday, January 5, 2026 3:04 PM<br><b>To:</b> \
             <a href='mailto:bob@seller.example'>bob@seller.example</a>\
             &lt;bob@seller.example&gt;<br><b>Subject:</b> Offer</font><div>&nbsp;</div></div>\
             <div>Their words.</div>",
        ),
        (
            "Gmail",
            "Fwd: Offer",
            "<div dir='ltr'><br><br><div class='gmail_quote'><div dir='ltr' class='gmail_attr'>\
             ---------- Forwarded message ---------<br>From: <strong class='gmail_sendername' \
             dir='auto'>Ann Lee</strong> <span dir='auto'>&lt;<a href='mailto:ann@example.com'>\
             ann@example.com</a>&gt;</span><br>Date: Mon, Jan 5, 2026 at 3:04\u{202f}PM<br>Subject: \
             Offer<br>To:  &lt;<a href='mailto:bob@seller.example'>bob@seller.example</a>&gt;<br></div>\
             <br><br><div>Their words.</div></div></div>",
        ),
        (
            "Thunderbird",
            "Fwd: Offer",
            "<p><br></p><div class='moz-forward-container'><br><br>-------- Forwarded Message --------\
             <table class='moz-email-headers-table'><tbody><tr><th valign='BASELINE'>Subject: </th>\
             <td>Offer</td></tr><tr><th>Date: </th><td>Mon, 5 Jan 2026 15:04:00 +0100</td></tr><tr>\
             <th>From: </th><td>Ann Lee <a href='mailto:ann@example.com'>&lt;ann@example.com&gt;</a>\
             </td></tr><tr><th>To: </th><td>bob@seller.example</td></tr></tbody></table><br><br>\
             <div>Their words.</div></div>",
        ),
        (
            "Apple Mail",
            "Fwd: Offer",
            "<div>FYI<br><div><br><blockquote type='cite'><div>Begin forwarded message:</div><br>\
             <div><span><b>From: </b></span><span>Ann Lee &lt;<a href='mailto:ann@example.com'>\
             ann@example.com</a>&gt;<br></span></div><div><span><b>Subject: </b></span><span><b>Offer</b>\
             <br></span></div><div><span><b>Date: </b></span><span>5 January 2026 at 15:04:00 CET<br>\
             </span></div><div><span><b>To: </b></span><span>bob@seller.example<br></span></div><br>\
             <div>Their words.</div></blockquote></div></div>",
        ),
    ] {
        let forward = find(subject, html);
        let Forward::Of(mail) = forward else { panic!("{program}: {forward:?}") };
        assert_eq!(mail.from.email.normal(), "ann@example.com", "{program}");
        assert_eq!(mail.from.name.as_deref(), Some("Ann Lee"), "{program}");
        assert_eq!(mail.to.len(), 1, "{program}: {:?}", mail.to);
        assert_eq!(mail.subject, "Offer", "{program}");
        let date = mail.date.map(|date| date.to_rfc3339());
        assert_eq!(date.as_deref(), Some("2026-01-05T14:04:00.000Z"), "{program}");
        assert_eq!(mail.text, "Their words.", "{program}");
    }
}
