package mqtt

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/nodes"
)

// posting is one that waits for a connection, as it is kept on the shelf.
type posting struct {
	Topic  string    `json:"topic"`
	Data   []byte    `json:"data"`
	QoS    byte      `json:"qos"`
	Retain bool      `json:"retain"`
	Until  time.Time `json:"until"`
}

const (
	keyOutbox   = "outbox/"
	outboxBytes = 1 << 20 // of all messages; more are refused
)

// keep puts a message into the outbox; false when there is none, or it is full. The text
// says until when it waits.
func (b *broker) keep(m posting) (string, bool) {
	b.mu.Lock()
	life, most := b.cfg.outboxTime, b.cfg.outboxSize
	b.mu.Unlock()
	b.outbox.Lock()
	defer b.outbox.Unlock()
	select {
	case <-b.over:
		return "", false
	default:
	}
	if life == 0 {
		return "", false
	}
	m.Until = time.Now().Add(life).Round(0)
	record, err := json.Marshal(m)
	if err != nil {
		return "", false
	}
	count, size, last := 0, len(record), ""
	b.host.Shelf().Range(func(key string, value []byte) bool {
		if strings.HasPrefix(key, keyOutbox) {
			count++
			size += len(value)
			last = key
		}
		return true
	})
	if count >= most || size > outboxBytes {
		b.mu.Lock()
		b.stats.overflow++
		b.mu.Unlock()
		return "", false
	}
	number := 0
	fmt.Sscanf(last, keyOutbox+"%d", &number)
	b.host.Shelf().Put(fmt.Sprintf("%s%012d", keyOutbox, number+1), record)
	b.mu.Lock()
	b.stats.waiting = count + 1
	b.stats.changed = true
	b.mu.Unlock()
	return fmt.Sprintf("there is no connection: it is sent when there is one again by %s, and nobody knows yet what becomes of it", m.Until.Format(time.DateTime)), true
}

// post publishes what waits in the outbox, oldest first, and drops what is too old.
func (b *broker) post(ctx context.Context, client mqtt.Client) error {
	type entry struct {
		key string
		posting
	}
	var list []entry
	b.host.Shelf().Range(func(key string, value []byte) bool {
		if strings.HasPrefix(key, keyOutbox) {
			e := entry{key: key}
			if json.Unmarshal(value, &e.posting) != nil {
				e.Until = time.Time{} // damaged
			}
			list = append(list, e)
		}
		return true
	})
	for i, e := range list {
		// A message is sent at most once: it is taken off first.
		b.outbox.Lock()
		b.host.Shelf().Delete(e.key)
		b.outbox.Unlock()
		if time.Now().Before(e.Until) {
			token := client.Publish(e.Topic, e.QoS, e.Retain, e.Data)
			b.sent("", e.Topic, e.QoS, e.Retain, e.Data)
			if err := b.await(ctx, token); err != nil {
				return err
			}
		} else {
			b.mu.Lock()
			b.stats.expired++
			b.mu.Unlock()
			b.log.Info("mqtt: a message expired in the outbox", "topic", e.Topic)
		}
		b.mu.Lock()
		b.stats.waiting = len(list) - i - 1
		b.mu.Unlock()
	}
	return nil
}

// waiting counts what waits in the outbox.
func waiting(s nodes.Shelf) int {
	n := 0
	s.Range(func(key string, _ []byte) bool {
		if strings.HasPrefix(key, keyOutbox) {
			n++
		}
		return true
	})
	return n
}
