package main

import (
	"context"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// publisher tells each message whether it was confirmed. The library's deferred confirmations would, but
// in 1.5.0 one that comes while its message is still being sent is lost.
type publisher struct {
	channel *amqp.Channel
	mutex   sync.Mutex
	pending map[uint64]chan bool
}

func newPublisher(connection *amqp.Connection, window int) *publisher {
	channel, err := connection.Channel()
	check(err)
	check(channel.Confirm(false))
	p := &publisher{channel: channel, pending: map[uint64]chan bool{}}
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, window))
	go func() {
		for confirm := range confirms {
			p.mutex.Lock()
			answer := p.pending[confirm.DeliveryTag]
			delete(p.pending, confirm.DeliveryTag)
			p.mutex.Unlock()
			answer <- confirm.Ack
		}
	}()
	return p
}

// publish sends a message, mandatory; its answer comes when the broker has confirmed or refused it.
func (p *publisher) publish(queue string, message amqp.Publishing) <-chan bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	answer := make(chan bool, 1)
	p.pending[p.channel.GetNextPublishSeqNo()] = answer
	check(p.channel.PublishWithContext(context.Background(), "", queue, true, false, message))
	return answer
}
