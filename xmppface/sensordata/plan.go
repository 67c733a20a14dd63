package sensordata

import (
	"strconv"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

const (
	// offlineFor is how long a readout whose time has come waits for a link.
	offlineFor = time.Hour
	// busyFor is the pause before it is tried again, when there is no link or too much
	// is under way.
	busyFor = time.Second
)

// plannedKey names a readout that waits for its time. It belongs to a peer, not to
// a link.
type plannedKey struct {
	way nodes.Way
	jid string // full
	id  string
}

// planned is a readout that waits for its time.
type planned struct {
	plannedKey
	ask   *request
	who   nodes.Caller
	space string
	timer *time.Timer
}

func keyOf(r *ext.Request, id string) plannedKey {
	return plannedKey{r.Caller.Way, r.Caller.Full, id}
}

// Joined takes note of a new link.
func (s *Server) Joined(l ext.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[l.Way()] = l
}

// plan accepts a request for later.
func (s *Server) plan(r *ext.Request, q *request) error {
	if q.when.After(time.Now().Add(MaxAhead)) {
		return nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, "when is more than "+strconv.Itoa(int(MaxAhead/(24*time.Hour)))+" days ahead; ask later")
	}
	// What may not be read, or is not there, is refused now; what is true then counts.
	if _, err := s.backend.Current(r.Caller, &q.ro, func(nodes.Ref, nodes.Reading) {}); err != nil {
		return err
	}
	p := &planned{plannedKey: keyOf(r, q.id), ask: q, who: r.Caller, space: r.Space()}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for k, have := range s.planned {
		if k != p.plannedKey && have.who.JID == p.who.JID && have.way == p.way {
			own++
		}
	}
	former := s.planned[p.plannedKey]
	switch {
	case !s.workers.Running():
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is stopping; ask again when it runs")
	case own >= MaxPlannedEach:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "you have "+strconv.Itoa(own)+" readouts waiting for their time; cancel some")
	case former == nil && len(s.planned) >= MaxPlanned:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many readouts wait for their time; ask again later")
	case former != nil:
		former.timer.Stop()
	}
	s.planned[p.plannedKey] = p
	p.timer = time.AfterFunc(time.Until(q.when), func() { s.due(p) })
	b := wire.AppendAttr(append([]byte{}, "<accepted"...), "xmlns", p.space)
	b = wire.AppendAttr(wire.AppendAttr(b, "id", p.id), "queued", "true")
	r.Result(append(b, "/>"...))
	return nil
}

// due reads what was planned, if it still is.
func (s *Server) due(p *planned) {
	s.mu.Lock()
	link := s.links[p.way]
	if s.planned[p.plannedKey] != p {
		s.mu.Unlock()
		return
	}
	if link != nil {
		delete(s.planned, p.plannedKey)
	}
	s.mu.Unlock()
	var err error
	if link != nil {
		err = s.begin(&readout{key: key{link, p.jid, p.id}, ask: p.ask, who: p.who, space: p.space,
			end: make(chan struct{}), change: make(chan struct{}, 1)}, nil)
		if err == nil {
			return
		}
	}
	late := time.Since(p.ask.when) > offlineFor || !s.workers.Running()
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.planned[p.plannedKey]; have != nil && have != p {
		return // another one took its place meanwhile
	}
	if late {
		delete(s.planned, p.plannedKey)
		s.log.Warn("planned readout given up", "by", p.who.String(), "when", p.ask.when, "err", err)
		return
	}
	s.planned[p.plannedKey] = p
	p.timer = time.AfterFunc(busyFor, func() { s.due(p) })
}

// forget takes away what a peer planned under an id.
func (s *Server) forget(r *ext.Request, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.planned[keyOf(r, id)]; p != nil {
		p.timer.Stop()
		delete(s.planned, p.plannedKey)
	}
}

func (s *Server) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.planned {
		p.timer.Stop()
	}
	clear(s.planned)
}
