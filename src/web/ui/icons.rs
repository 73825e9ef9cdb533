//! The drawings of the pages, by name: outlines of 24 by 24 that take the colour of their text. They say
//! nothing that no words beside them say, so that readers of screens skip them.

macro_rules! drawings {
    ($($name:literal => $paths:literal,)*) => {
        /// The drawing of that name; nothing where there is none.
        pub fn drawing(name: &str) -> &'static str {
            match name {
                $($name => concat!(
                    "<svg class=\"icon\" viewBox=\"0 0 24 24\" width=\"20\" height=\"20\" fill=\"none\" ",
                    "stroke=\"currentColor\" stroke-width=\"1.7\" stroke-linecap=\"round\" ",
                    "stroke-linejoin=\"round\" aria-hidden=\"true\" focusable=\"false\">",
                    $paths, "</svg>",
                ),)*
                _ => "",
            }
        }
    };
}

drawings! {
    "conversations" => "<path d='M4 5.5h11a2 2 0 0 1 2 2v5a2 2 0 0 1-2 2H9l-4 3.5v-3.5H4a1.5 1.5 0 0 1-1.5-1.5V7A1.5 1.5 0 0 1 4 5.5z'/><path d='M20 9.5a1.5 1.5 0 0 1 1.5 1.5v5A1.5 1.5 0 0 1 20 17.5h-.5V20l-3-2.5H12'/>",
    "contacts" => "<circle cx='9' cy='8.5' r='3.5'/><path d='M2.5 19.5c.5-3.5 3-5.5 6.5-5.5s6 2 6.5 5.5'/><path d='M15.5 5.300a3.5 3.5 0 0 1 0 6.400M18.5 14.800c1.700.8 2.700 2.400 3 4.700'/>",
    "activity" => "<path d='M3 12h4l2.5-7 5 14 2.5-7h4'/>",
    "settings" => "<path d='M4 7h9M17 7h3M4 17h3M11 17h9'/><circle cx='15' cy='7' r='2'/><circle cx='9' cy='17' r='2'/>",
    "admin" => "<rect x='3' y='4' width='18' height='6' rx='1.5'/><rect x='3' y='14' width='18' height='6' rx='1.5'/><path d='M7 7h.01M7 17h.01M11 7h6M11 17h6'/>",
    "mail" => "<rect x='3' y='5' width='18' height='14' rx='2'/><path d='m3.5 7 8.5 6.5L20.5 7'/>",
    "copy" => "<rect x='8.5' y='8.5' width='12' height='12' rx='2'/><path d='M15.5 8.5v-3a2 2 0 0 0-2-2h-8a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h3'/>",
    "card" => "<rect x='3' y='5' width='18' height='14' rx='2'/><circle cx='8.5' cy='11' r='2'/><path d='M5.5 16c.4-1.5 1.5-2.300 3-2.300s2.600.8 3 2.300M14.5 10h4M14.5 14h3'/>",
    "refresh" => "<path d='M20 11.5a8 8 0 0 0-14.5-4L3.5 10M4 12.5a8 8 0 0 0 14.5 4l2-2.5M3.5 5v5h5M20.5 19v-5h-5'/>",
    "check" => "<path d='m5 12.5 4.5 4.5L19 7.5'/>",
    "cross" => "<path d='m6 6 12 12M18 6 6 18'/>",
    "warning" => "<path d='M12 4 2.800 19.5h18.400zM12 10v4.5M12 17.200h.01'/>",
    "info" => "<circle cx='12' cy='12' r='9'/><path d='M12 11v5.5M12 7.800h.01'/>",
    "search" => "<circle cx='11' cy='11' r='6.5'/><path d='m16 16 4.5 4.5'/>",
    "plus" => "<path d='M12 5v14M5 12h14'/>",
    "shield" => "<path d='M12 3 4.5 6v5.5c0 4.5 3 7.800 7.5 9.5 4.5-1.700 7.5-5 7.5-9.5V6z'/><path d='m9 12 2.200 2.200L15.5 10'/>",
    "key" => "<circle cx='8' cy='15' r='4.5'/><path d='m11.300 11.700 8.200-8.200M16 7l3 3M13.5 9.5l2 2'/>",
    "door" => "<path d='M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4M4 12h11M11 8l4 4-4 4'/>",
    "clock" => "<circle cx='12' cy='12' r='9'/><path d='M12 7v5.300l3.5 2'/>",
    "inbox" => "<path d='M3.5 13.5 6 5.5h12l2.5 8v4a2 2 0 0 1-2 2h-13a2 2 0 0 1-2-2zM3.5 13.5H8.5l1.5 2.5h4l1.5-2.5h5'/>",
    "trash" => "<path d='M4 6.5h16M9.5 6V4h5v2M6 6.5l1 13.5h10l1-13.5M10 10.5v6M14 10.5v6'/>",
    "undo" => "<path d='M8 5 4 9l4 4M4.5 9H14a5.5 5.5 0 0 1 0 11H9'/>",
    "chevron" => "<path d='m9 5 7 7-7 7'/>",
    "code" => "<path d='m8 7-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14'/>",
    "building" => "<path d='M5 20.5v-15A1.5 1.5 0 0 1 6.5 4h7A1.5 1.5 0 0 1 15 5.5v15M15 10h2.5A1.5 1.5 0 0 1 19 11.5v9M3 20.5h18M8.5 8h3M8.5 12h3M8.5 16h3'/>",
    "person" => "<circle cx='12' cy='8' r='4'/><path d='M4.5 20.5c.6-4.200 3.5-6.5 7.5-6.5s6.900 2.300 7.5 6.5'/>",
    "compose" => "<path d='M4 20h4L19.5 8.500a2.100 2.100 0 0 0-3-3L5 17v3M14.5 7.500l3 3'/>",
    "send" => "<path d='M20.5 3.500 10 14M20.5 3.500 14 20.500l-4-6.500-6.500-4z'/>",
    "reply" => "<path d='M9 6 4 11l5 5M4.500 11H14a6 6 0 0 1 6 6v1'/>",
    "back" => "<path d='m15 5-7 7 7 7'/>",
    "sync" => "<path d='M19.500 9A8 8 0 0 0 5 8.500M4.500 15A8 8 0 0 0 19 15.500M5 4v4.500h4.500M19 20v-4.500h-4.500'/>",
    "pause" => "<circle cx='12' cy='12' r='9'/><path d='M10 9v6M14 9v6'/>",
    "file" => "<path d='M6 3.500h8l4.500 4.500V19a1.500 1.500 0 0 1-1.500 1.500H6A1.500 1.500 0 0 1 4.500 19V5A1.500 1.500 0 0 1 6 3.500zM13.500 3.500V8.500h5'/>",
    "picture" => "<rect x='3.500' y='5' width='17' height='14' rx='2'/><circle cx='9' cy='10' r='1.500'/><path d='m4 17.500 5-4 3.500 2.500 3.500-3.500 4.500 4'/>",
    "download" => "<path d='M12 4v11M7.500 11l4.500 4.500 4.500-4.500M5 19.500h14'/>",
    "list" => "<path d='M9 6h11M9 12h11M9 18h11M4.500 6h.01M4.500 12h.01M4.500 18h.01'/>",
    "clip" => "<path d='m19.500 11.500-7.500 7.500a4.700 4.700 0 0 1-6.700-6.700L13 4.600a3.200 3.200 0 0 1 4.500 4.500l-7.700 7.700a1.600 1.600 0 0 1-2.300-2.300l7-7'/>",
    "link" => "<path d='M10 14a4 4 0 0 0 5.700 0l3.600-3.600a4 4 0 0 0-5.700-5.700L12.5 6M14 10a4 4 0 0 0-5.700 0l-3.600 3.600a4 4 0 0 0 5.700 5.700l1.100-1.200'/>",
}
