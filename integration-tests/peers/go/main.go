// The contender in Go: the loop that amqp091-go's own examples show.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

type order struct {
	OrderID uint64 `json:"order_id"`
	Cents   uint64 `json:"cents"`
}

var since = time.Now()

func say(event string) {
	fmt.Printf("{\"event\":%q,\"ns\":%d}\n", event, time.Since(since).Nanoseconds())
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func number(name string) int {
	n, err := strconv.Atoi(os.Getenv(name))
	check(err)
	return n
}

func main() {
	connection, err := amqp.Dial(os.Getenv("BENCH_URL"))
	check(err)
	channel, err := connection.Channel()
	check(err)
	check(channel.Qos(number("BENCH_PREFETCH"), 0, false))
	deliveries, err := channel.Consume(os.Getenv("BENCH_QUEUE"), "", false, false, false, false, nil)
	check(err)
	count, handled := number("BENCH_COUNT"), 0
	for delivery := range deliveries {
		if handled == 0 {
			say("first")
		}
		var o order
		check(json.Unmarshal(delivery.Body, &o))
		check(delivery.Ack(false))
		handled++
		if handled == count {
			break
		}
	}
	say("done")
	// Until the runner has read what this process cost.
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	check(connection.Close())
}
