// A program in Go that speaks the wire contract of the package golang-rabbitmq, to be run by hand
// beside examples/golang-rabbitmq. It is a peer for tests: it has the package's entities, headers
// and faults (no confirms, no persistence of copies, acks with multiple), and no code of it.
//
//	golang-rabbitmq recv                          handles messages until it is stopped
//	golang-rabbitmq send BODY...                  sends messages
//	golang-rabbitmq send-delay SECONDS BODY...    sends messages that come later
//
// A body that contains "fail" fails at every attempt. AMQP_URL, QUEUE, EXCHANGE and ROUTING_KEY are
// those of the example.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

type peer struct {
	channel              *amqp.Channel
	queue, exchange, key string
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func variable(name, otherwise string) string {
	if value, set := os.LookupEnv(name); set {
		return value
	}
	return otherwise
}

func (p peer) hasBoth() bool {
	return p.exchange != "" && p.key != ""
}

func (p peer) declare() {
	if p.exchange != "" {
		must(p.channel.ExchangeDeclare(p.exchange, "direct", true, false, false, false, nil))
	}
	p.declareQueue(p.queue, nil)
	if p.hasBoth() {
		must(p.channel.QueueBind(p.queue, p.key, p.exchange, false, nil))
	}
}

func (p peer) declareQueue(name string, arguments amqp.Table) {
	_, err := p.channel.QueueDeclare(name, true, false, false, false, arguments)
	must(err)
}

func (p peer) waiting(milliseconds int64, target string) amqp.Table {
	return amqp.Table{
		"x-message-ttl":             milliseconds,
		"x-dead-letter-exchange":    p.exchange,
		"x-dead-letter-routing-key": target,
	}
}

func (p peer) publish(exchange, key string, message amqp.Publishing) {
	message.ContentType = "text/plain"
	must(p.channel.PublishWithContext(context.Background(), exchange, key, false, false, message))
}

func (p peer) send(body string) {
	message := amqp.Publishing{Body: []byte(body), DeliveryMode: 2}
	if p.hasBoth() {
		p.publish(p.exchange, p.key, message)
	} else {
		p.publish("", p.queue, message)
	}
}

func (p peer) sendDelay(body string, seconds int64) {
	name := fmt.Sprintf("%s_delay_%d", p.queue, seconds)
	p.declareQueue(name, p.waiting(seconds*1000, p.key))
	if p.exchange != "" {
		must(p.channel.QueueBind(name, name, p.exchange, false, nil))
	}
	p.publish(p.exchange, name, amqp.Publishing{
		Body:    []byte(body),
		Headers: amqp.Table{"retry_nums": int32(0)},
	})
}

func (p peer) retry(body []byte, failed int32) {
	name, target, exchange, key := p.queue+"_retry_3", p.queue, "", p.queue+"_retry_3"
	if p.hasBoth() {
		target, exchange, key = p.key, p.exchange, p.key+"_retry_3"
	}
	p.declareQueue(name, p.waiting(20000, target))
	if p.hasBoth() {
		must(p.channel.QueueBind(name, key, exchange, false, nil))
	}
	p.publish(exchange, key, amqp.Publishing{
		Body:    body,
		Headers: amqp.Table{"retry_nums": failed + 1},
	})
}

func (p peer) receive() {
	must(p.channel.Qos(1, 0, false))
	messages, err := p.channel.Consume(p.queue, "", false, false, false, false, nil)
	must(err)
	for message := range messages {
		failed, isInt32 := message.Headers["retry_nums"].(int32)
		if !isInt32 {
			failed = 0
		}
		fmt.Printf("attempt %d: %s\n", failed+1, message.Body)
		if strings.Contains(string(message.Body), "fail") {
			if failed < 3 {
				p.retry(message.Body, failed)
			} else {
				fmt.Printf("gave up: %s\n", message.Body)
			}
		}
		must(message.Ack(true))
	}
}

func main() {
	connection, err := amqp.Dial(variable("AMQP_URL", "amqp://localhost:5672"))
	must(err)
	channel, err := connection.Channel()
	must(err)
	queue := variable("QUEUE", "orders")
	p := peer{channel, queue, variable("EXCHANGE", ""), variable("ROUTING_KEY", queue)}
	p.declare()
	switch arguments := os.Args[1:]; {
	case len(arguments) == 1 && arguments[0] == "recv":
		p.receive()
	case len(arguments) > 1 && arguments[0] == "send":
		for _, body := range arguments[1:] {
			p.send(body)
		}
	case len(arguments) > 2 && arguments[0] == "send-delay":
		seconds, err := strconv.ParseInt(arguments[1], 10, 64)
		must(err)
		for _, body := range arguments[2:] {
			p.sendDelay(body, seconds)
		}
	default:
		log.Fatal("usage: golang-rabbitmq recv | send BODY... | send-delay SECONDS BODY...")
	}
	must(channel.Close())
	must(connection.Close())
}
