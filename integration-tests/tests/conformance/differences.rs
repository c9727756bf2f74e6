//! Where a broker does not do what the books say: all of it, case by case, with the reason.
//!
//! The books hold what RabbitMQ 4.0 does. A case that is listed here *must* come out otherwise on
//! that broker; one that does not is an error too, so that nothing stays listed for ever.

/// A reason, and the cases that come out otherwise for it.
type Difference = (&'static str, &'static [&'static str]);

/// What the embedded broker does in another way on purpose; its documentation says so.
const EMBEDDED: &[Difference] = &[
    (
        "properties are given on byte for byte, where RabbitMQ 4 writes them anew",
        &[
            "content: headers_are_sorted",
            "unreadable: flags_for_more_flags_are_ignored",
            "unreadable: values_that_can_be_said_otherwise_arrive",
        ],
    ),
    (
        "quorum queues know no priorities",
        &["quorum: priorities_mean_two_levels"],
    ),
    (
        "errors in the handshake are said aloud, where RabbitMQ is silent",
        &[
            "handshake: an_unknown_mechanism_is_refused",
            "handshake: larger_frames_are_refused_until_they_are_agreed_on",
            "handshake: limits_over_the_offer_are_refused",
            "handshake: methods_out_of_order_end_the_handshake",
        ],
    ),
    (
        "another protocol is answered with 0-9-1, where RabbitMQ 4 proposes AMQP 1.0",
        &["handshake: another_protocol_is_answered_with_ours"],
    ),
    (
        "an unknown method is 503, where RabbitMQ resets the connection",
        &["frames: an_unknown_method_ends_the_connection"],
    ),
];

/// What RabbitMQ 3.10 did before RabbitMQ 4.0 did otherwise.
const RABBITMQ_3: &[Difference] = &[
    (
        "it writes no x-last-death headers yet",
        &[
            "cycles: a_dead_letter_may_push_out_another",
            "dead_letter: a_routing_key_of_its_own_replaces_the_first",
            "dead_letter: carbon_copies_are_kept_without_a_routing_key",
            "dead_letter: deaths_for_several_reasons_are_listed",
            "dead_letter: deaths_in_several_queues_are_listed",
            "dead_letter: properties_survive_dead_lettering",
            "dead_letter: repeated_deaths_are_counted",
            "dead_letter: x_death_in_quorum_queues",
            "dead_letter: x_death_of_a_message_over_the_delivery_limit",
            "dead_letter: x_death_of_a_message_pushed_out_of_a_full_queue",
            "dead_letter: x_death_of_a_message_that_expired_in_its_queue",
            "dead_letter: x_death_of_a_message_with_an_expiration",
            "dead_letter: x_death_of_a_refused_message",
            "dead_letter: x_death_of_a_rejected_message",
            "outages: a_message_that_keeps_losing_its_link_is_parked",
            "quorum: the_limit_parks_a_message_with_its_history",
            "large_headers: what_dies_in_a_quorum_queue_may_outgrow_its_frame",
            "large_headers: what_dies_may_outgrow_its_frame",
            "unreadable_ways: what_dies_in_a_quorum_queue_keeps_every_byte",
            "unreadable_ways: what_dies_keeps_every_byte",
            "unreadable_ways: what_dies_keeps_values_of_every_type",
        ],
    ),
    (
        "it writes no x-last-death headers yet, and of headers of one name it keeps all",
        &["unreadable_ways: what_dies_keeps_one_of_several_headers_of_a_name"],
    ),
    (
        "it writes no x-last-death headers yet, and takes CC out where the key is another",
        &["unreadable_ways: carbon_copies_that_are_no_text_are_ignored"],
    ),
    (
        "of several headers of one name the first counts",
        &["unreadable_ways: of_several_headers_of_a_name_the_last_routes"],
    ),
    (
        "it quotes bytes that are not UTF-8 as they are; 4.0 takes them for Latin-1",
        &[
            "unreadable: a_user_id_must_be_that_of_the_user",
            "unreadable: an_expiration_must_be_a_number",
        ],
    ),
    (
        "it looks at the user before it looks at the expiration and the carbon copies",
        &["unreadable: what_is_wrong_with_the_exchange_is_told_first"],
    ),
    (
        "it takes a client's own x-death for its own; 4.0 ignores it",
        &["dead_letter: a_clients_own_x_death_is_ignored"],
    ),
    (
        "it tells a delivery count of 0 too; 4.0 only tells what was delivered before",
        &[
            "content: messages_through_a_quorum_queue_are_the_same",
            "quorum: a_get_counts_like_any_delivery",
        ],
    ),
    (
        "it tells a delivery count of 0 too, and forgets the count when the message dies",
        &[
            "counts: what_a_dead_letter_that_must_arrive_was_counted_is_told_by_the_next",
            "counts: what_a_quorum_queue_counted_is_told_by_the_next",
        ],
    ),
    (
        "its quorum queues have no delivery limit unless told otherwise; 4.0 has one of 20",
        &["quorum: without_a_limit_a_message_comes_back_often"],
    ),
    (
        "its quorum queues are first in, first out; those of 4.0 know two priorities",
        &["quorum: priorities_mean_two_levels"],
    ),
    (
        "it refuses x-queue-leader-locator for classic queues too",
        &["arguments: classic_queues_refuse_what_only_quorum_queues_can"],
    ),
    (
        "it looks at x-cancel-on-ha-failover, which 4.0 does not know any more",
        &["arguments: consumer_arguments_with_wrong_values_are_refused"],
    ),
    (
        "an unknown exchange type is 503, with another text",
        &["arguments: exchange_arguments_with_wrong_values_are_refused"],
    ),
    (
        "it keeps properties as they came; 4.0 writes them anew, and sorts the headers",
        &[
            "content: headers_are_sorted",
            "unreadable: flags_for_more_flags_are_ignored",
            "unreadable: values_that_can_be_said_otherwise_arrive",
            "unreadable_ways: blind_copies_are_taken_out_of_what_is_unreadable",
        ],
    ),
    (
        "it takes messages of up to 128 MiB; 4.0 of up to 16 MiB",
        &["precondition: a_message_over_the_limit_costs_the_channel"],
    ),
    (
        "it refuses delivery modes other than 1 and 2",
        &["publish: messages_of_any_delivery_mode_are_confirmed"],
    ),
    (
        "headers exchanges take whole numbers for equal to fractions",
        &["headers_exchanges: headers_exchanges_compare_values_and_types"],
    ),
    (
        "a queue that was declared without a type has none, so that none conflicts with it",
        &["conflict: queue_types_conflict"],
    ),
    (
        "it answers another protocol with 0-9-1; 4.0 proposes AMQP 1.0",
        &["handshake: another_protocol_is_answered_with_ours"],
    ),
];

/// Where RabbitMQ 3.10 fails, so that the case cannot go on.
const BROKEN_IN_RABBITMQ_3: &[Difference] = &[(
    "the queue crashes with the next message",
    &["single_active: a_single_active_consumer_is_followed_while_it_holds_messages"],
)];

/// What is expected of a case besides what the book says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing.
    Same,
    /// Something else, for this reason.
    Other(&'static str),
    /// That it cannot end, for this reason.
    Failure(&'static str),
}

/// What the embedded broker does in a case.
pub(crate) fn of_embedded(title: &str) -> Expected {
    reason(EMBEDDED, title).map_or(Expected::Same, Expected::Other)
}

/// What a RabbitMQ of this version does in a case.
pub(crate) fn of_rabbitmq(version: &str, title: &str) -> Expected {
    if !version.starts_with("3.") {
        return Expected::Same;
    }
    match reason(BROKEN_IN_RABBITMQ_3, title) {
        Some(reason) => Expected::Failure(reason),
        None => reason(RABBITMQ_3, title).map_or(Expected::Same, Expected::Other),
    }
}

fn reason(differences: &[Difference], title: &str) -> Option<&'static str> {
    let listed = differences.iter().find(|(_, cases)| cases.contains(&title));
    listed.map(|(reason, _)| *reason)
}

/// Every case that is listed.
pub(crate) fn titles() -> impl Iterator<Item = &'static str> {
    let all = [EMBEDDED, RABBITMQ_3, BROKEN_IN_RABBITMQ_3];
    let all = all.into_iter().flatten();
    all.flat_map(|(_, cases)| cases.iter().copied())
}
