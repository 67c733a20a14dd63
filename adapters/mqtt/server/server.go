// Package server is an MQTT broker in the process, on github.com/mochi-mqtt/server: its
// lifecycle, accounts, rights by topic, and bounds. Connections are accepted here, since
// the library's own listeners do not wait for those that are just being made.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fieldhub/hub/adapters/mqtt/ws"
)

// Options are how a broker works. The zero Options let everybody do everything.
type Options struct {
	TLS          *tls.Config // nil: not encrypted
	WebSocket    bool        // it speaks WebSocket in place of TCP
	MaxClients   int         // 0: 1,000
	MaxPacket    int         // bytes; 0: 1 MiB
	MaxRetained  int         // messages that are kept; 0: 10,000. More are published, but not kept
	MaxPending   int         // messages that wait for a slow client; 0: 8,192. More are dropped
	Authenticate func(client, user, password string) bool
	// Allow tells whether a user may publish on a topic, or subscribe a filter.
	Allow func(user, topic string, publish bool) bool
	// Published is told of each message that a client published; it must not block.
	Published func(Message)
	// Subscribed is told of each filter that a client subscribed.
	Subscribed func(client, filter string)
	Log        *slog.Logger // nil: nowhere
}

// Message is what a client published.
type Message struct {
	Client, Topic string
	Payload       []byte // must not be changed
	QoS           byte
	Retain        bool
}

// Server is a broker. Safe for concurrent use.
type Server struct {
	options Options
	mochi   *mochi.Server
	system  atomic.Int64 // retained messages of the broker about itself

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	over  bool
}

// New makes a broker, which does nothing until Run.
func New(o Options) (*Server, error) {
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumClients = int64(either(o.MaxClients, 1000))
	caps.MaximumPacketSize = uint32(either(o.MaxPacket, 1<<20))
	caps.MaximumClientWritesPending = int32(either(o.MaxPending, 8192))
	o.MaxRetained = either(o.MaxRetained, 10000)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, conns: make(map[net.Conn]struct{})}
	s.mochi = mochi.New(&mochi.Options{InlineClient: true, Capabilities: caps, Logger: slog.New(slog.DiscardHandler)})
	return s, s.mochi.AddHook(&hook{s: s}, nil)
}

func either(n, other int) int {
	if n == 0 {
		return other
	}
	return n
}

// Run serves the connections of a listener until ctx ends, and returns after all of them.
// It closes the listener. It may be called once.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	if err := s.mochi.Serve(); err != nil {
		l.Close()
		return err
	}
	s.system.Store(int64(s.mochi.Topics.Retained.Len()))
	var wait sync.WaitGroup
	defer func() {
		wait.Wait()
		s.mochi.Close()
	}()
	stop := context.AfterFunc(ctx, func() { l.Close(); s.closeAll() })
	defer stop()
	if s.options.TLS != nil {
		l = tls.NewListener(l, s.options.TLS)
	}
	if s.options.WebSocket {
		return s.serveWeb(ctx, l, &wait)
	}
	for {
		c, err := l.Accept()
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			if c != nil {
				c.Close()
			}
			s.closeAll()
			return nil
		}
		if err != nil {
			s.options.Log.Warn("mqtt server: accept", "error", err)
			select { // out of files, perhaps
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		wait.Go(func() { s.serve(c) })
	}
}

// serve serves a connection to its end.
func (s *Server) serve(c net.Conn) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		c.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	if err := s.mochi.EstablishConnection("hub", c); err != nil {
		s.options.Log.Debug("mqtt server: connection ended", "remote", c.RemoteAddr(), "error", err)
	}
	c.Close()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for c := range s.conns {
		c.Close()
	}
}

// serveWeb serves WebSockets.
func (s *Server) serveWeb(ctx context.Context, l net.Listener, wait *sync.WaitGroup) error {
	up := websocket.Upgrader{Subprotocols: []string{"mqtt"}, CheckOrigin: func(*http.Request) bool { return true }}
	h := &http.Server{ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := up.Upgrade(w, r, nil)
			if err != nil {
				return // it has answered
			}
			wait.Add(1)
			defer wait.Done()
			s.serve(ws.New(c))
		})}
	stop := context.AfterFunc(ctx, func() { h.Close() })
	defer stop()
	err := h.Serve(l)
	h.Close()
	s.closeAll()
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Publish publishes a message of the hub itself, with QoS 0.
func (s *Server) Publish(topic string, payload []byte, retain bool) error {
	return s.mochi.Publish(topic, payload, retain, 0)
}

// Drop closes the connections of all clients.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Client is a client that is connected.
type Client struct{ ID, User, Remote string }

// Clients returns those that are connected.
func (s *Server) Clients() []Client {
	var out []Client
	for id, c := range s.mochi.Clients.GetAll() {
		if id != mochi.InlineClientId && !c.Closed() {
			out = append(out, Client{id, string(c.Properties.Username), c.Net.Remote})
		}
	}
	return out
}

// Counts are what a broker has done.
type Counts struct{ Clients, Received, Sent, Dropped, Retained, Subscriptions int64 }

// Counts returns them.
func (s *Server) Counts() Counts {
	i := s.mochi.Info.Clone()
	return Counts{Clients: i.ClientsConnected, Received: i.MessagesReceived, Sent: i.MessagesSent, Dropped: i.MessagesDropped,
		Retained: s.retained(), Subscriptions: i.Subscriptions}
}

// retained counts the retained messages of clients.
func (s *Server) retained() int64 { return int64(s.mochi.Topics.Retained.Len()) - s.system.Load() }

// hook connects the library with the options.
type hook struct {
	mochi.HookBase
	s *Server
}

// ID implements [mochi.Hook].
func (h *hook) ID() string { return "hub" }

// Provides implements [mochi.Hook].
func (h *hook) Provides(b byte) bool {
	switch b {
	case mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnPublish, mochi.OnPublished, mochi.OnSubscribed:
		return true
	}
	return false
}

// OnConnectAuthenticate implements [mochi.Hook].
func (h *hook) OnConnectAuthenticate(c *mochi.Client, p packets.Packet) bool {
	f := h.s.options.Authenticate
	return f == nil || f(c.ID, string(p.Connect.Username), string(p.Connect.Password))
}

// OnACLCheck implements [mochi.Hook].
func (h *hook) OnACLCheck(c *mochi.Client, topic string, publish bool) bool {
	f := h.s.options.Allow
	return f == nil || c.Net.Inline || f(string(c.Properties.Username), topic, publish)
}

// OnPublish implements [mochi.Hook]: what there is no room for is not kept.
func (h *hook) OnPublish(_ *mochi.Client, p packets.Packet) (packets.Packet, error) {
	if p.FixedHeader.Retain && len(p.Payload) > 0 && h.s.retained() >= int64(h.s.options.MaxRetained) {
		if _, ok := h.s.mochi.Topics.Retained.Get(p.TopicName); !ok {
			p.FixedHeader.Retain = false
		}
	}
	return p, nil
}

// OnPublished implements [mochi.Hook].
func (h *hook) OnPublished(c *mochi.Client, p packets.Packet) {
	if f := h.s.options.Published; f != nil && !c.Net.Inline {
		f(Message{c.ID, p.TopicName, p.Payload, p.FixedHeader.Qos, p.FixedHeader.Retain})
	}
}

// OnSubscribed implements [mochi.Hook].
func (h *hook) OnSubscribed(c *mochi.Client, p packets.Packet, codes []byte) {
	f := h.s.options.Subscribed
	if f == nil {
		return
	}
	for i, x := range p.Filters {
		if i < len(codes) && codes[i] < 0x80 {
			f(c.ID, x.Filter)
		}
	}
}

// Listen opens the address that a broker listens on: "127.0.0.1:1883", ":1883".
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return l, nil
}
