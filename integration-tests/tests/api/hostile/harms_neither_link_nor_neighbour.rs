//! The kinds of odd messages. Each is sent to a queue of each type, into the midst of good messages:
//! no link is lost, every good message is handled once, and the odd one is handled or parked.

use garenne_testing::{FieldBytes, PropertyBytes, RabbitVersion};

use super::odd::{BODY_PART, Odd, PROPERTIES_MAX};
use super::scene;

/// The end of a sentence that the name of this module begins.
macro_rules! kinds {
    ($($name:ident: $odd:expr;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                scene::survives($odd).await;
            }
        )*

        /// All of them, with their names.
        pub(super) fn all() -> Vec<(&'static str, Odd)> {
            vec![$((stringify!($name), $odd)),*]
        }
    };
}

/// “Café” in Latin-1, which is no UTF-8.
const LATIN1: &[u8] = b"caf\xe9";
/// What clears a screen, rings, ends a line, and begins one that looks like another's.
const STEERING: &[u8] = b"\x1b[2J\x1b]0;owned\x07\r\nWARN \xc2\x9b31m all is lost";

kinds! {
    a_message_on_which_nothing_is_odd: Odd::new();

    // What is nested.
    a_header_of_2000_arrays_in_one_another: Odd::new()
        .header("deep", FieldBytes::void().in_arrays(2_000));
    a_header_of_5000_tables_in_one_another: Odd::new()
        .header("deep", FieldBytes::void().in_tables(5_000));
    a_header_nested_as_deep_as_a_frame_allows: Odd::new()
        .header("deep", FieldBytes::void().in_arrays(25_900));
    arrays_and_tables_in_turn: Odd::new()
        .header("deep", (0..1_000).fold(FieldBytes::void(), |inside, _| {
            FieldBytes::array([FieldBytes::table([("k", inside)])])
        }));
    retry_nums_that_are_nested: Odd::new()
        .passing_header("retry_nums", FieldBytes::long(1).in_arrays(20_000));
    a_forged_x_death_that_is_nested: Odd::new()
        .passing_header("x-death", FieldBytes::void().in_tables(9_000));
    a_forged_failure_that_is_nested: Odd::new()
        .passing_header("fail-chain", FieldBytes::text("no").in_arrays(9_000));

    // Texts that are none.
    a_latin1_app_id: Odd::new().short("app_id", LATIN1);
    a_latin1_message_id: Odd::new().short("message_id", LATIN1);
    a_latin1_type: Odd::new().short("type", LATIN1);
    a_latin1_content_type: Odd::new().short("content_type", LATIN1);
    a_content_encoding_of_bytes: Odd::new().short("content_encoding", [0xff, 0xfe, 0]);
    a_correlation_id_of_bytes: Odd::new().short("correlation_id", [0xff; 16]);
    a_latin1_reply_to: Odd::new().short("reply_to", LATIN1);
    a_latin1_cluster_id: Odd::new().short("cluster_id", LATIN1);
    no_readable_text_at_all: PropertyBytes::short_names()
        .filter(|name| !["expiration", "user_id"].contains(name))
        .fold(Odd::new(), |odd, name| odd.short(name, [0xff; 255]));
    a_latin1_name_of_a_header: Odd::new().header(LATIN1, FieldBytes::long(1));
    a_latin1_name_inside_of_a_header: Odd::new()
        .header("table", FieldBytes::table([(LATIN1, FieldBytes::long(1))]));
    a_latin1_value_of_a_header: Odd::new().header("text", FieldBytes::text(LATIN1));

    // Texts that steer whoever shows them, and identities that are none.
    a_header_name_that_steers_a_terminal: Odd::new().header(STEERING, FieldBytes::long(1));
    a_header_that_steers_a_terminal: Odd::new().header("text", FieldBytes::text(STEERING));
    a_message_id_that_steers_a_terminal: Odd::new().short("message_id", [STEERING, b"\0"].concat());
    an_empty_message_id: Odd::new().passing(|properties| properties.short("message_id", ""));
    a_message_id_of_255_bytes: Odd::new().short("message_id", [b'm'; 255]);
    a_body_that_steers_a_terminal: Odd::new().body(STEERING.to_vec());

    // Headers.
    a_header_of_every_type: every_type().into_iter().enumerate()
        .fold(Odd::new(), |odd, (n, value)| odd.header(format!("header-{n}"), value));
    an_array_of_every_type: Odd::new().header("array", FieldBytes::array(every_type()));
    a_header_that_is_there_twice: twice();
    a_thousand_headers: (0..1_000)
        .fold(Odd::new(), |odd, n| odd.header(format!("header-{n}"), FieldBytes::long(n)));
    a_header_without_a_name: Odd::new().header("", FieldBytes::long(1));
    a_carbon_copy_to_no_name: Odd::new().passing_header("CC", nobody());
    a_blind_carbon_copy_to_no_name: Odd::new().passing_header("BCC", nobody());

    // Headers that are garenne's or the broker's to write.
    retry_nums_that_are_a_text: Odd::new().passing_header("retry_nums", FieldBytes::text(LATIN1));
    retry_nums_that_are_a_fraction: Odd::new()
        .passing_header("retry_nums", FieldBytes::of(b'd', 0.5_f64.to_be_bytes()));
    retry_nums_that_are_huge: Odd::new().passing_header("retry_nums", FieldBytes::long(i64::MAX));
    retry_nums_that_are_negative: Odd::new().passing_header("retry_nums", FieldBytes::long(-1));
    retry_nums_that_are_a_table: Odd::new()
        .passing_header("retry_nums", FieldBytes::table([("retry_nums", FieldBytes::long(1))]));
    a_forged_retry_copy: forged(["retry_nums", "orig-"]).header("tenant", FieldBytes::text("acme"));
    a_forged_failure_record: forged(["fail-", "orig-"])
        .header("tenant", FieldBytes::text("acme"));
    a_forged_replay: forged(["replay-", "orig-"]).header("tenant", FieldBytes::text("acme"));
    forged_deaths: Odd::new()
        .passing_header("x-death", FieldBytes::array([
            FieldBytes::long(1),
            FieldBytes::table([
                ("count", FieldBytes::text(LATIN1)),
                ("queue", FieldBytes::long(i64::MIN)),
                ("reason", FieldBytes::void()),
            ]),
        ]))
        .passing_header("x-first-death-queue", FieldBytes::text(LATIN1))
        .passing_header("x-delivery-count", FieldBytes::long(i64::MAX));

    // What is large, and what is small.
    properties_that_fill_a_frame: Odd::new().filled_to(PROPERTIES_MAX);
    properties_that_nearly_fill_a_frame: Odd::new().filled_to(131_000);
    properties_whose_retry_copy_outgrows_a_frame_in_the_lane: Odd::new().filled_to(130_900);
    properties_whose_retry_copy_nearly_outgrows_a_frame: Odd::new().filled_to(130_600);
    properties_that_outgrew_a_frame_when_they_expired: Odd::new().filled_to(131_000).expired();
    unreadable_properties_that_expired: Odd::new().short("app_id", LATIN1).expired();
    a_deep_header_that_expired: Odd::new()
        .header("deep", FieldBytes::void().in_arrays(2_000))
        .expired();
    a_body_of_no_bytes: Odd::new().body(Vec::new());
    a_body_that_fills_three_frames: Odd::new().body(vec![0xa5; 3 * BODY_PART]);
    a_body_of_10_mb: Odd::new().body(vec![0xa5; 10_000_000]);

    // Numbers at their ends.
    a_delivery_mode_of_0: Odd::new()
        .passing(|properties| properties.octet("delivery_mode", 0))
        .refused_by_rabbitmq_3();
    a_delivery_mode_of_255: Odd::new()
        .passing(|properties| properties.octet("delivery_mode", 255))
        .refused_by_rabbitmq_3();
    a_priority_of_255: Odd::new().passing(|properties| properties.octet("priority", 255));
    a_timestamp_at_the_end_of_time: Odd::new()
        .passing(|properties| properties.timestamp(u64::MAX));
}

/// A value of every type that RabbitMQ knows.
fn every_type() -> Vec<FieldBytes> {
    vec![
        FieldBytes::bool(true),
        FieldBytes::of(b'b', [0x80]),
        FieldBytes::of(b'B', [0xff]),
        FieldBytes::of(b's', i16::MIN.to_be_bytes()),
        FieldBytes::of(b'u', u16::MAX.to_be_bytes()),
        FieldBytes::of(b'I', i32::MIN.to_be_bytes()),
        FieldBytes::of(b'i', u32::MAX.to_be_bytes()),
        FieldBytes::long(i64::MIN),
        FieldBytes::of(b'f', f32::MIN_POSITIVE.to_be_bytes()),
        FieldBytes::of(b'd', f64::MAX.to_be_bytes()),
        // Two decimal places.
        FieldBytes::of(b'D', [2, 0x7f, 0xff, 0xff, 0xff]),
        FieldBytes::text(""),
        FieldBytes::bytes([0, 0xff]),
        FieldBytes::array([]),
        FieldBytes::table::<&str>([]),
        FieldBytes::of(b'T', u64::MAX.to_be_bytes()),
        FieldBytes::void(),
    ]
}

/// RabbitMQ 4 itself keeps only the first header of a name.
fn twice() -> Odd {
    let once = Odd::new().header("twice", FieldBytes::text("one"));
    let second = FieldBytes::text("two");
    match RabbitVersion::from_env() {
        RabbitVersion::V3 => once.header("twice", second),
        _ => once.passing_header("twice", second),
    }
}

/// Names of queues that are none.
fn nobody() -> FieldBytes {
    FieldBytes::array([
        FieldBytes::text(LATIN1),
        FieldBytes::text(""),
        FieldBytes::text([b'q'; 300]),
    ])
}

/// Headers that garenne writes, with values that it does not: those whose names begin so.
fn forged(kinds: [&str; 2]) -> Odd {
    let all = [
        ("retry_nums", FieldBytes::long(1)),
        ("fail-reason", FieldBytes::text("boredom")),
        ("fail-error", FieldBytes::text(STEERING)),
        (
            "fail-chain",
            FieldBytes::array([FieldBytes::text(STEERING), FieldBytes::void()]),
        ),
        ("fail-attempts", FieldBytes::long(-1)),
        ("fail-first-at", FieldBytes::text("yesterday")),
        ("fail-last-at", FieldBytes::of(b'T', u64::MAX.to_be_bytes())),
        ("fail-host", FieldBytes::text(LATIN1)),
        ("fail-service", FieldBytes::text(STEERING)),
        (
            "fail-version",
            FieldBytes::table([("k", FieldBytes::void())]),
        ),
        ("fail-dropped-headers", FieldBytes::text("all")),
        ("orig-queue", FieldBytes::text(LATIN1)),
        ("orig-exchange", FieldBytes::void().in_tables(9)),
        ("orig-routing-key", FieldBytes::text([b'k'; 300])),
        ("orig-expiration", FieldBytes::text("1")),
        ("orig-user-id", FieldBytes::text("root")),
        ("orig-CC", FieldBytes::text("quorum")),
        ("orig-BCC", nobody()),
        ("replay-id", FieldBytes::long(5)),
        ("replay-count", FieldBytes::long(i64::MAX)),
    ];
    let forged = all
        .into_iter()
        .filter(|(name, _)| kinds.iter().any(|start| name.starts_with(start)));
    forged.fold(Odd::new(), |odd, (name, value)| {
        odd.passing_header(name, value)
    })
}
