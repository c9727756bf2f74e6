package main

import (
	"encoding/json"
	"os"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

type order struct {
	OrderID uint64 `json:"order_id"`
	Cents   uint64 `json:"cents"`
	SentNs  int64  `json:"sent_ns"`
}

// progress is how far all workers have come together.
type progress struct {
	seen, acked, count int64
	all                chan struct{}
	mutex              sync.Mutex
	latencies          []int64
}

// consume handles everything, with a channel and a goroutine for each worker of each queue.
func consume(connection *amqp.Connection) {
	p := &progress{count: int64(number("BENCH_COUNT")), all: make(chan struct{})}
	for _, queue := range queues() {
		for worker := 0; worker < number("BENCH_WORKERS"); worker++ {
			channel, err := connection.Channel()
			check(err)
			check(channel.Qos(number("BENCH_PREFETCH"), 0, false))
			deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
			check(err)
			var retries *publisher
			if number("BENCH_FAIL_EVERY") > 0 {
				retries = newPublisher(connection, number("BENCH_PREFETCH"))
			}
			go p.work(deliveries, retries)
		}
	}
	<-p.all
	say("done", p.latencies)
}

func (p *progress) work(deliveries <-chan amqp.Delivery, retries *publisher) {
	pause := time.Duration(number("BENCH_PAUSE_MS")) * time.Millisecond
	failEvery := uint64(number("BENCH_FAIL_EVERY"))
	keepsUp := os.Getenv("BENCH_ACT") == "keep-up"
	handle := func(delivery amqp.Delivery) {
		var o order
		check(json.Unmarshal(delivery.Body, &o))
		if keepsUp {
			p.keepLatency(o)
		}
		if pause > 0 {
			time.Sleep(pause)
		}
		if failEvery > 0 && o.OrderID%failEvery == 0 {
			retryLater(retries, delivery)
		}
		check(delivery.Ack(false))
		if atomic.AddInt64(&p.acked, 1) == p.count {
			close(p.all)
		}
	}
	for delivery := range deliveries {
		if atomic.AddInt64(&p.seen, 1) == 1 {
			say("first", nil)
		}
		if pause > 0 || failEvery > 0 {
			// A handler that waits has a goroutine of its own.
			go handle(delivery)
		} else {
			handle(delivery)
		}
	}
}

func (p *progress) keepLatency(o order) {
	latency := int64(0)
	if o.SentNs > 0 {
		latency = time.Now().UnixNano() - o.SentNs
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.latencies = append(p.latencies, latency)
}

// retryLater stores a copy, confirmed before the original may be acked.
func retryLater(retries *publisher, delivery amqp.Delivery) {
	confirmed := retries.publish("bench.retry", amqp.Publishing{
		ContentType:  delivery.ContentType,
		MessageId:    delivery.MessageId,
		DeliveryMode: amqp.Persistent,
		Body:         delivery.Body,
	})
	if !<-confirmed {
		panic("the broker refused a copy")
	}
}
