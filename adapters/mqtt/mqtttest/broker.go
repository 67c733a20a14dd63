package mqtttest

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/fieldhub/hub/adapters/mqtt/server"
)

// Options are what a [Broker] asks of its clients; the zero Options nothing.
type Options struct {
	Address        string // where it listens; empty: any free port of 127.0.0.1
	WebSocket      bool   // it speaks WebSocket, in place of TCP
	TLS            *tls.Config
	User, Password string
	Refused        []string // filters and topics that nobody may subscribe or publish
}

// Message is what somebody published.
type Message struct {
	Client, Topic, Payload string
	QoS                    byte
	Retain                 bool
}

// Broker is a broker in the process. Safe for concurrent use.
type Broker struct {
	server *server.Server
	addr   string
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	messages []Message
	filters  map[string]int
	watch    func(Message)
}

// Start starts a broker. Whoever starts it closes it.
func Start(o Options) (*Broker, error) {
	ctx, cancel := context.WithCancel(context.Background()) // until Close
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	b := &Broker{filters: make(map[string]int), done: make(chan struct{}), cancel: cancel}
	options := server.Options{TLS: o.TLS, WebSocket: o.WebSocket, MaxPending: 1 << 17, MaxPacket: 16 << 20, Published: b.published, Subscribed: b.subscribed,
		Allow: func(_, topic string, _ bool) bool { return !slices.Contains(o.Refused, topic) }}
	if o.User != "" {
		options.Authenticate = func(_, user, password string) bool { return user == o.User && password == o.Password }
	}
	var err error
	if b.server, err = server.New(options); err != nil {
		cancel()
		return nil, err
	}
	l, err := server.Listen(ctx, o.Address)
	if err != nil {
		cancel()
		return nil, err
	}
	b.addr = l.Addr().String()
	go func() {
		defer close(b.done)
		b.server.Run(ctx, l) // it fails only when it cannot begin
	}()
	return b, nil
}

// Close ends the broker and all connections. It may be called more than once.
func (b *Broker) Close() {
	b.cancel()
	<-b.done
}

// Addr returns where it listens.
func (b *Broker) Addr() string { return b.addr }

// Port returns the port of Addr.
func (b *Broker) Port() int {
	_, text, _ := net.SplitHostPort(b.addr)
	n, _ := strconv.Atoi(text)
	return n
}

// Publish publishes a message of nobody.
func (b *Broker) Publish(topic, payload string, retain bool) error {
	return b.server.Publish(topic, []byte(payload), retain)
}

// Drop closes the connections of all clients.
func (b *Broker) Drop() { b.server.Drop() }

// Clients returns the ids of those that are connected.
func (b *Broker) Clients() []string {
	var out []string
	for _, c := range b.server.Clients() {
		out = append(out, c.ID)
	}
	slices.Sort(out)
	return out
}

// Messages returns what clients have published so far.
func (b *Broker) Messages() []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.messages)
}

// Watch has f called with each message that a client publishes, before others get it; f
// may publish.
func (b *Broker) Watch(f func(Message)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watch = f
}

// Subscribed tells how often a filter was subscribed so far.
func (b *Broker) Subscribed(filter string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.filters[filter]
}

func (b *Broker) subscribed(_, filter string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.filters[filter]++
}

func (b *Broker) published(p server.Message) {
	m := Message{p.Client, p.Topic, string(p.Payload), p.QoS, p.Retain}
	b.mu.Lock()
	if len(b.messages) < 100000 {
		b.messages = append(b.messages, m)
	}
	watch := b.watch
	b.mu.Unlock()
	if watch != nil {
		watch(m)
	}
}
