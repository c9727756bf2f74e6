package main

import (
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

// publish keeps a window of confirms: it waits for the oldest when the window is full.
func publish(connection *amqp.Connection) {
	queue, window, count := queues()[0], number("BENCH_WINDOW"), number("BENCH_COUNT")
	publisher := newPublisher(connection, window)
	// What is around it weighs about 50 bytes.
	note := strings.Repeat("x", max(number("BENCH_BODY")-50, 0))
	pending := make([]<-chan bool, 0, window)
	wait := func() {
		if !<-pending[0] {
			panic("the broker refused a message")
		}
		pending = pending[1:]
	}
	say("first", nil)
	for n := 0; n < count; n++ {
		body, err := json.Marshal(outgoing{OrderID: uint64(n), Cents: 1999, Note: note})
		check(err)
		pending = append(pending, publisher.publish(queue, amqp.Publishing{
			ContentType:  "application/json",
			MessageId:    strconv.Itoa(n),
			DeliveryMode: amqp.Persistent,
			Body:         body,
		}))
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
