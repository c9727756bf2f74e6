package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// recoverForever is a loop that survives its broker, as it is mostly written: whatever fails, connect
// again a second later.
func recoverForever() {
	go func() {
		untilTold()
		os.Exit(0)
	}()
	for {
		fmt.Fprintln(os.Stderr, "lost:", consumeOnce())
		time.Sleep(time.Second)
	}
}

func consumeOnce() error {
	connection, err := amqp.Dial(os.Getenv("BENCH_URL"))
	if err != nil {
		return err
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if err := channel.Qos(number("BENCH_PREFETCH"), 0, false); err != nil {
		return err
	}
	deliveries, err := channel.Consume(queues()[0], "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for delivery := range deliveries {
		say("handled", nil)
		if err := delivery.Ack(false); err != nil {
			return err
		}
	}
	return errors.New("the channel closed")
}
