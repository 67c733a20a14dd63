package mqtt

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/mqtt/server"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// serving is a server node: a broker in the hub.
type serving struct {
	id     string
	host   nodes.Host
	tap    *sniffer.Tap
	log    *slog.Logger
	timing timing
	turn   chan struct{} // other settings

	mu    sync.Mutex
	cfg   serverConfig
	noted time.Time // when a message was last kept for listeners to come
	now   *server.Server
	addr  string // where it listens
}

func openServer(e adapters.Env, t timing) (nodes.Device, error) {
	return &serving{id: e.Node.ID, host: e.Host, tap: e.Tap, log: e.Host.Log(), timing: t,
		turn: make(chan struct{}, 1), cfg: readServer(&e.Node.Spec)}, nil
}

// Update implements [nodes.Device].
func (s *serving) Update(c nodes.Change) {
	for _, n := range c.Put {
		if n.ID != s.id {
			continue
		}
		s.mu.Lock()
		cfg := readServer(&n.Spec)
		other := cfg != s.cfg
		s.cfg = cfg
		s.mu.Unlock()
		if other {
			poke(s.turn)
		}
	}
}

// Run implements [nodes.Device].
func (s *serving) Run(ctx context.Context) error {
	pause := s.timing.first
	for ctx.Err() == nil {
		s.mu.Lock()
		cfg := s.cfg
		s.mu.Unlock()
		err := s.serve(ctx, &cfg)
		if err == nil { // the end, or other settings
			pause = s.timing.first
			continue
		}
		s.host.Fault(s.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventListen,
			Text: err.Error() + ". Check Listen, and that no other broker runs there. It is tried again by itself."})
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
		case <-s.turn:
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, s.timing.last)
	}
	return nil
}

// serve runs a server until ctx ends or its settings change.
func (s *serving) serve(ctx context.Context, cfg *serverConfig) error {
	o, err := cfg.options()
	if err != nil {
		return err
	}
	o.Log = s.log
	o.Published = s.sniff
	srv, err := server.New(o)
	if err != nil {
		return err
	}
	l, err := server.Listen(ctx, cfg.listen)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx, l) }()
	s.mu.Lock()
	s.now, s.addr = srv, l.Addr().String()
	s.mu.Unlock()
	s.host.Clear(s.id, EventListen)
	s.log.Info("mqtt: server listens", "address", s.addr)
	defer func() {
		s.mu.Lock()
		s.now = nil
		s.mu.Unlock()
	}()
	tick := time.NewTicker(min(s.timing.tell, tellServer))
	defer tick.Stop()
	for {
		s.host.Report([]nodes.Reading{s.reading(srv)})
		select {
		case err := <-done:
			cancel()
			return err
		case <-s.turn:
			cancel()
			return <-done
		case <-ctx.Done():
			cancel()
			return <-done
		case <-tick.C:
		}
	}
}

// reading is what the server tells of itself.
func (s *serving) reading(srv *server.Server) nodes.Reading {
	n := srv.Counts()
	now := time.Now().Round(0)
	r := nodes.Reading{Node: s.id}
	add := func(name string, v nodes.Value) {
		r.Fields = append(r.Fields, nodes.Field{Name: name, Value: v, Time: now, Category: nodes.Status})
	}
	add("address", nodes.String(s.addr))
	add("clients", nodes.Int64(n.Clients))
	add("messages received", nodes.Int64(n.Received))
	add("messages sent", nodes.Int64(n.Sent))
	add("messages dropped", nodes.Int64(n.Dropped))
	add("retained", nodes.Int64(n.Retained))
	return r
}

// sniff shows what clients publish.
func (s *serving) sniff(m server.Message) {
	now := time.Now()
	s.mu.Lock()
	if !s.tap.Active() && now.Sub(s.noted) < noteEvery {
		s.mu.Unlock()
		return
	}
	s.noted = now
	s.mu.Unlock()
	s.tap.Note(sniffer.Rx, "", m.Client+" "+frame(m.Topic, m.QoS, m.Retain, m.Payload))
}

var listClients = nodes.Command{ID: "ListClients", Kind: nodes.Query, Title: "List clients", Description: "Shows who is connected with the server."}

// Execute implements [nodes.Commander].
func (s *serving) Execute(_ context.Context, node, command string, _ nodes.Params) error {
	return nodes.Errorf(nodes.NotFound, command, nodes.In(node), "no such command here")
}

// Query implements [nodes.Commander].
func (s *serving) Query(ctx context.Context, node, command string, _ nodes.Params, put nodes.Put) error {
	s.mu.Lock()
	srv, addr := s.now, s.addr
	s.mu.Unlock()
	switch {
	case node != s.id || command != listClients.ID:
		return nodes.Errorf(nodes.NotFound, command, nodes.In(node), "no such query here")
	case ctx.Err() != nil:
		return ctx.Err()
	case srv == nil:
		return nodes.Errorf(nodes.Unreachable, command, nodes.In(node), "the server does not run")
	}
	const id = "clients"
	if err := put(nodes.Table{ID: id, Name: fmt.Sprintf("Clients of %s", addr), Columns: []nodes.Column{{ID: "Client"}, {ID: "User"}, {ID: "Address"}}}); err != nil {
		return err
	}
	for _, c := range srv.Clients() {
		if err := put(nodes.Rows{Table: id, Rows: [][]nodes.Value{{cell(c.ID), cell(c.User), cell(c.Remote)}}}); err != nil {
			return err
		}
	}
	return put(nodes.TableEnd(id))
}
