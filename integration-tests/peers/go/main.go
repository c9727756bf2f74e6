// The contender in Go: the loop that amqp091-go's own examples show. Told to publish, it keeps a
// window of confirms; told to recover, it connects again every second.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var since = time.Now()

func say(event string, latencies []int64) {
	if latencies == nil {
		latencies = []int64{}
	}
	list, err := json.Marshal(latencies)
	check(err)
	fmt.Printf("{\"event\":%q,\"ns\":%d,\"latencies_ns\":%s}\n", event, time.Since(since).Nanoseconds(), list)
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

func queues() []string {
	return strings.Split(os.Getenv("BENCH_QUEUE"), ",")
}

// untilTold waits until the runner has read what this process cost.
func untilTold() {
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func connect() *amqp.Connection {
	connection, err := amqp.Dial(os.Getenv("BENCH_URL"))
	check(err)
	return connection
}

func main() {
	if os.Getenv("BENCH_ACT") == "recover" {
		recoverForever()
	}
	connection := connect()
	if os.Getenv("BENCH_ACT") == "publish" {
		publish(connection)
	} else {
		consume(connection)
	}
	untilTold()
	check(connection.Close())
}
