package main

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

type outgoing struct {
	OrderID uint64 `json:"order_id"`
	Cents   uint64 `json:"cents"`
	Note    string `json:"note"`
}

// publish keeps a window of deferred confirms: it waits for the oldest when the window is full.
func publish(connection *amqp.Connection) {
	channel := confirming(connection)
	queue, window, count := queues()[0], number("BENCH_WINDOW"), number("BENCH_COUNT")
	// What is around it weighs about 50 bytes.
	note := strings.Repeat("x", max(number("BENCH_BODY")-50, 0))
	pending := make([]*amqp.DeferredConfirmation, 0, window)
	wait := func() {
		if !pending[0].Wait() {
			panic("the broker refused a message")
		}
		pending = pending[1:]
	}
	say("first", nil)
	for n := 0; n < count; n++ {
		body, err := json.Marshal(outgoing{OrderID: uint64(n), Cents: 1999, Note: note})
		check(err)
		confirm, err := channel.PublishWithDeferredConfirmWithContext(
			context.Background(), "", queue, true, false, amqp.Publishing{
				ContentType:  "application/json",
				MessageId:    strconv.Itoa(n),
				DeliveryMode: amqp.Persistent,
				Body:         body,
			})
		check(err)
		pending = append(pending, confirm)
		if len(pending) == window {
			wait()
		}
	}
	for len(pending) > 0 {
		wait()
	}
	say("done", nil)
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}
