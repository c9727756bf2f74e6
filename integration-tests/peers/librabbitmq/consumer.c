// The contender in C, on librabbitmq: one thread that handles what has come, and one ack for all of
// it as soon as nothing more is there, or half of the prefetch waits for one.

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>

#define JSMN_STATIC
#define JSMN_STRICT
#include <jsmn.h>

enum { CHANNEL = 1, FRAME_MAX = 131072, HEARTBEAT_S = 60, MOST_TOKENS = 16 };

struct order {
    uint64_t order_id;
    uint64_t cents;
};

static struct timespec since;

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void check(const char *what, int status) {
    if (status < AMQP_STATUS_OK)
        fail(what, amqp_error_string2(status));
}

static void check_reply(const char *what, amqp_rpc_reply_t reply) {
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        fail(what, amqp_error_string2(reply.library_error));
    if (reply.reply_type != AMQP_RESPONSE_NORMAL)
        fail(what, "the broker refused it");
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL)
        fail(name, "not set");
    return value;
}

static void say(const char *event) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ns = (int64_t)(now.tv_sec - since.tv_sec) * 1000000000 + now.tv_nsec - since.tv_nsec;
    printf("{\"event\":\"%s\",\"ns\":%" PRId64 "}\n", event, ns);
    fflush(stdout);
}

static amqp_connection_state_t connect_to(const char *address) {
    // The parts that it is parsed into point into it.
    char *url = strdup(address);
    struct amqp_connection_info at;
    check("the address", amqp_parse_url(url, &at));
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    if (socket == NULL)
        fail("a socket", "no memory");
    check("a broker", amqp_socket_open(socket, at.host, at.port));
    check_reply("a login", amqp_login(connection, at.vhost, AMQP_DEFAULT_MAX_CHANNELS, FRAME_MAX, HEARTBEAT_S,
                                      AMQP_SASL_METHOD_PLAIN, at.user, at.password));
    free(url);
    return connection;
}

static void subscribe(amqp_connection_state_t connection, uint16_t prefetch) {
    amqp_bytes_t queue = amqp_cstring_bytes(setting("BENCH_QUEUE"));
    amqp_channel_open(connection, CHANNEL);
    check_reply("a channel", amqp_get_rpc_reply(connection));
    amqp_basic_qos(connection, CHANNEL, 0, prefetch, false);
    check_reply("a prefetch", amqp_get_rpc_reply(connection));
    amqp_basic_consume(connection, CHANNEL, queue, amqp_empty_bytes, false, false, false, amqp_empty_table);
    check_reply("a consumer", amqp_get_rpc_reply(connection));
}

static bool is(const char *text, jsmntok_t token, const char *name) {
    size_t length = (size_t)(token.end - token.start);
    return token.type == JSMN_STRING && strlen(name) == length && memcmp(text + token.start, name, length) == 0;
}

static uint64_t number(const char *text, jsmntok_t token) {
    uint64_t value = 0;
    if (token.type != JSMN_PRIMITIVE)
        fail("an order", "not a number");
    for (int at = token.start; at < token.end; at++) {
        if (text[at] < '0' || text[at] > '9')
            fail("an order", "not a number");
        value = value * 10 + (uint64_t)(text[at] - '0');
    }
    return value;
}

// An object without objects or arrays in it, so that names and values alternate.
static struct order decode(amqp_bytes_t body) {
    const char *text = body.bytes;
    struct order order = {0, 0};
    jsmntok_t tokens[MOST_TOKENS];
    jsmn_parser parser;
    jsmn_init(&parser);
    int found = jsmn_parse(&parser, text, body.len, tokens, MOST_TOKENS);
    if (found < 1 || tokens[0].type != JSMN_OBJECT)
        fail("an order", "not an object");
    for (int at = 1; at + 1 < found; at += 2) {
        if (is(text, tokens[at], "order_id"))
            order.order_id = number(text, tokens[at + 1]);
        else if (is(text, tokens[at], "cents"))
            order.cents = number(text, tokens[at + 1]);
    }
    return order;
}

static void handle(amqp_bytes_t body) {
    struct order order = decode(body);
    // The compiler may not leave out what nobody uses.
    __asm__ volatile("" : : "r"(order.order_id), "r"(order.cents));
}

// The next message, if it comes within this time; without one, whenever it comes.
static bool next(amqp_connection_state_t connection, amqp_envelope_t *message, const struct timeval *within) {
    amqp_maybe_release_buffers(connection);
    amqp_rpc_reply_t reply = amqp_consume_message(connection, message, within, 0);
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_TIMEOUT)
        return false;
    check_reply("a message", reply);
    return true;
}

// Acks everything up to this tag, and gives it back.
static uint64_t ack_to(amqp_connection_state_t connection, uint64_t tag) {
    check("an ack", amqp_basic_ack(connection, CHANNEL, tag, true));
    return tag;
}

static void handle_all(amqp_connection_state_t connection, uint64_t count, uint64_t prefetch) {
    const struct timeval at_once = {0, 0};
    // Waiting longer would let the broker run out of what it may send.
    uint64_t half = prefetch > 1 ? prefetch / 2 : 1;
    // Delivery tags count from 1 in the order of arrival.
    uint64_t handled = 0, acked = 0;
    while (acked < count) {
        amqp_envelope_t message;
        if (next(connection, &message, handled > acked ? &at_once : NULL)) {
            if (handled == 0)
                say("first");
            handle(message.message.body);
            handled = message.delivery_tag;
            amqp_destroy_envelope(&message);
            if (handled - acked >= half)
                acked = ack_to(connection, handled);
        } else {
            // Nothing else is there: no reason to wait for more.
            acked = ack_to(connection, handled);
        }
    }
}

int main(void) {
    clock_gettime(CLOCK_MONOTONIC, &since);
    uint64_t count = strtoull(setting("BENCH_COUNT"), NULL, 10);
    uint16_t prefetch = (uint16_t)strtoul(setting("BENCH_PREFETCH"), NULL, 10);
    amqp_connection_state_t connection = connect_to(setting("BENCH_URL"));
    subscribe(connection, prefetch);
    handle_all(connection, count, prefetch);
    say("done");
    // Until the runner has read what this process cost.
    while (getchar() != EOF) {
    }
    check_reply("an end", amqp_connection_close(connection, AMQP_REPLY_SUCCESS));
    check("an end", amqp_destroy_connection(connection));
    return 0;
}
