package mqtt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/nodes"
)

// sample is a topic that was listened to, with its last message.
type sample struct {
	topic   string
	payload []byte // its beginning
	size    int
	qos     byte
	kept    bool
	count   int
}

// samplePayload is how much of a payload is kept.
const samplePayload = 16 << 10

// sampleBytes is how much of all payloads is kept.
const sampleBytes = 8 << 20

// finds are the topics that were listened to.
type finds struct {
	topics map[string]*sample
	bytes  int
	beyond int // messages of topics for which there was no room
}

func (f *finds) take(m mqtt.Message) {
	s := f.topics[m.Topic()]
	if s == nil {
		if len(f.topics) >= mostTopics || f.bytes >= sampleBytes {
			f.beyond++
			return
		}
		s = &sample{topic: m.Topic()}
		f.topics[s.topic] = s
	}
	data := m.Payload()
	f.bytes -= len(s.payload)
	s.size = len(data)
	s.payload = slices.Clone(data[:min(len(data), samplePayload)])
	f.bytes += len(s.payload)
	s.qos, s.kept = m.Qos(), m.Retained()
	s.count++
}

// list returns the topics in order.
func (f *finds) list() []*sample {
	out := make([]*sample, 0, len(f.topics))
	for _, s := range f.topics {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *sample) int { return cmp.Compare(a.topic, b.topic) })
	return out
}

// visit listens to filters for a time over a connection of its own, so that a flood does
// not disturb the devices. keptOnly: only to what is retained. It tells now and then how
// far it is.
func (b *broker) visit(ctx context.Context, wanted []string, span time.Duration, keptOnly bool, put nodes.Put) (*finds, error) {
	no := func(kind nodes.ErrorKind, text string) error {
		return nodes.Errorf(kind, "query", nodes.In(b.id), text)
	}
	for _, f := range wanted {
		if err := checkFilter(f); err != nil {
			return nil, no(nodes.Invalid, err.Error())
		}
	}
	stop := make(chan struct{})
	defer close(stop)
	b.mu.Lock()
	cfg := b.cfg.linkConfig
	b.mu.Unlock()
	cfg.clientID = b.clientID(cfg.clientID) + "-query-" + suffix()
	cfg.clean, cfg.willTopic = true, ""
	gone := make(chan error, 1)
	dialing, undial := context.WithCancel(ctx)
	defer undial()
	opts, err := b.options(dialing, &cfg, gone)
	if err != nil {
		return nil, no(nodes.Unreachable, explain(&cfg, err))
	}
	messages := make(chan mqtt.Message, 256)
	opts.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		select {
		case messages <- m:
		case <-stop:
		}
	})
	client := mqtt.NewClient(opts)
	token := client.Connect()
	select {
	case <-token.Done():
	case <-b.over: // a connection that is being made ends with the context
		undial()
		<-token.Done()
	}
	defer client.Disconnect(50)
	if err := token.Error(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, no(nodes.Unreachable, explain(&cfg, err))
	}
	request := make(map[string]byte)
	for _, f := range wanted {
		request[f] = 0
	}
	subscribed := client.SubscribeMultiple(request, nil)
	found := &finds{topics: make(map[string]*sample)}
	end := time.NewTimer(span)
	defer end.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	begin, answered := time.Now(), subscribed.Done()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.over:
			return nil, no(nodes.Gone, "the broker node was stopped")
		case err := <-gone:
			return nil, no(nodes.Unreachable, explain(&cfg, err))
		case <-answered:
			answered = nil
			for f, code := range subscribed.(*mqtt.SubscribeToken).Result() {
				if code == 0x80 {
					return nil, no(nodes.Forbidden, "the broker refuses to let the user "+nameOr(cfg.user, "of this connection")+" read "+f)
				}
			}
		case m := <-messages:
			if !keptOnly || m.Retained() {
				found.take(m)
			}
		case <-tick.C:
			left := span - time.Since(begin)
			if err := put(nodes.QueryStatus(fmt.Sprintf("%d topics, %v to go", len(found.topics), left.Round(time.Second)))); err != nil {
				return nil, err
			}
		case <-end.C:
			return found, nil
		}
	}
}
