//! What is shown of HTML and of text runs nothing and loads nothing, and safe HTML stays as it is.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mailweave::mail::safe::{self, Remote};

fuzz_target!(|source: &str| {
    let once = safe::html(source, &Arc::default(), Remote::Blocked).html;
    let twice = safe::html(&once, &Arc::default(), Remote::Blocked).html;
    // A link that lies is noted each time.
    if !once.contains("leads-to") {
        let thrice = safe::html(&twice, &Arc::default(), Remote::Blocked).html;
        assert_eq!(twice, thrice, "{source:?}");
    }
    for html in [once, safe::text::linked(source)] {
        for tag in html.split('<').skip(1) {
            let inside = tag.split('>').next().unwrap_or_default();
            let name = inside.trim_start_matches('/').split(' ').next().unwrap_or_default();
            let is_bad =
                ["script", "style", "iframe", "object", "svg", "math", "form", "meta", "link"];
            assert!(!is_bad.contains(&name), "{inside:?} of {source:?}");
            // Values are quoted, and no quote stands in them: what follows an even number is a name.
            let names = inside.split('"').step_by(2);
            assert!(names.skip(1).all(|name| !name.starts_with(" on")), "{inside:?} of {source:?}");
            assert!(!inside.contains("url("), "{inside:?} of {source:?}");
        }
    }
});
