package mqtttest

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
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
	server   *mochi.Server
	listener listeners.Listener
	hook     *hook
	over     sync.Once
}

type hook struct {
	mochi.HookBase
	options Options

	mu       sync.Mutex
	messages []Message
	filters  map[string]int
	watch    func(Message)
}

// Start starts a broker. Whoever starts it closes it.
func Start(o Options) (*Broker, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.WebSocket { // its listener does not tell which port it got
		l, err := net.Listen("tcp", o.Address)
		if err != nil {
			return nil, err
		}
		o.Address = l.Addr().String()
		l.Close()
	}
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumClientWritesPending = 1 << 17
	b := &Broker{hook: &hook{options: o, filters: make(map[string]int)}}
	b.server = mochi.New(&mochi.Options{InlineClient: true, Capabilities: caps, Logger: slog.New(slog.DiscardHandler)})
	if err := b.server.AddHook(b.hook, nil); err != nil {
		return nil, err
	}
	c := listeners.Config{ID: "one", Address: o.Address, TLSConfig: o.TLS}
	b.listener = listeners.NewTCP(c)
	if o.WebSocket {
		b.listener = listeners.NewWebsocket(c)
	}
	if err := b.server.AddListener(b.listener); err != nil {
		return nil, err
	}
	if err := b.server.Serve(); err != nil {
		b.server.Close()
		return nil, err
	}
	return b, nil
}

// Close ends the broker and all connections. It may be called more than once.
func (b *Broker) Close() { b.over.Do(func() { b.server.Close() }) }

// Addr returns where it listens.
func (b *Broker) Addr() string { return b.listener.Address() }

// Port returns the port of Addr.
func (b *Broker) Port() int {
	_, text, _ := net.SplitHostPort(b.Addr())
	n, _ := strconv.Atoi(text)
	return n
}

// Publish publishes a message of nobody.
func (b *Broker) Publish(topic, payload string, retain bool) error {
	return b.server.Publish(topic, []byte(payload), retain, 0)
}

// Drop closes the connections of all clients.
func (b *Broker) Drop() {
	for id, c := range b.server.Clients.GetAll() {
		if id != mochi.InlineClientId {
			c.Stop(packets.ErrServerShuttingDown)
		}
	}
}

// Clients returns the ids of those that are connected.
func (b *Broker) Clients() []string {
	var out []string
	for id, c := range b.server.Clients.GetAll() {
		if id != mochi.InlineClientId && !c.Closed() {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Messages returns what clients have published so far.
func (b *Broker) Messages() []Message {
	b.hook.mu.Lock()
	defer b.hook.mu.Unlock()
	return slices.Clone(b.hook.messages)
}

// Watch has f called with each message that a client publishes, before others get it;
// f may publish.
func (b *Broker) Watch(f func(Message)) {
	b.hook.mu.Lock()
	defer b.hook.mu.Unlock()
	b.hook.watch = f
}

// Subscribed tells how often a filter was subscribed so far.
func (b *Broker) Subscribed(filter string) int {
	b.hook.mu.Lock()
	defer b.hook.mu.Unlock()
	return b.hook.filters[filter]
}

// ID implements the interface of hooks.
func (h *hook) ID() string { return "mqtttest" }

// Provides implements the interface of hooks.
func (h *hook) Provides(b byte) bool {
	return bytes.Contains([]byte{mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnPublished, mochi.OnSubscribed}, []byte{b})
}

// OnConnectAuthenticate looks at user and password.
func (h *hook) OnConnectAuthenticate(_ *mochi.Client, p packets.Packet) bool {
	return h.options.User == "" || string(p.Connect.Username) == h.options.User && string(p.Connect.Password) == h.options.Password
}

// OnACLCheck looks whether a topic may be used.
func (h *hook) OnACLCheck(_ *mochi.Client, topic string, _ bool) bool {
	return !slices.Contains(h.options.Refused, topic)
}

// OnSubscribed counts subscriptions.
func (h *hook) OnSubscribed(_ *mochi.Client, p packets.Packet, codes []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, f := range p.Filters {
		if i < len(codes) && codes[i] < 0x80 {
			h.filters[f.Filter]++
		}
	}
}

// OnPublished records what clients publish.
func (h *hook) OnPublished(c *mochi.Client, p packets.Packet) {
	if c.Net.Inline {
		return
	}
	m := Message{Client: c.ID, Topic: p.TopicName, Payload: string(p.Payload), QoS: p.FixedHeader.Qos, Retain: p.FixedHeader.Retain}
	h.mu.Lock()
	if len(h.messages) < 100000 {
		h.messages = append(h.messages, m)
	}
	watch := h.watch
	h.mu.Unlock()
	if watch != nil {
		watch(m)
	}
}
