package chaos

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// operator is the name of the account of a person.
const operator = "operator"

// writers is how many writes a person has under way.
const writers = 3

// outcome is what a person was told of a write.
type outcome int

const (
	unanswered outcome = iota // it is under way
	written
	notWritten
	nobodyKnows
)

// write is one that a person asked for.
type write struct {
	outcome  outcome
	answered time.Time
}

// person reads, watches and writes without a pause, through a session of its own, and
// looks for the hub again whenever it has gone.
type person struct {
	site *site
	t    *testing.T
	idle atomic.Bool // no more requests

	mu      sync.Mutex
	doing   string // for messages
	visits  int
	heard   map[uint32]bool // events since the round began
	newest  uint32          // event
	read    uint32          // counter, of the last right readout
	reads   int
	failed  int // readouts
	next    uint32
	writes  map[uint32]write // the last ones, see checkWrites
	came    map[uint32]int   // of them, how often each came to the plant, until noted
	noted   time.Time
	counts  map[outcome]int
	lateYes int            // writes whose outcome nobody knew, and which were done
	reasons map[string]int // why writes failed
}

func newPerson(t *testing.T, s *site) *person {
	t.Helper()
	s.server.AddUser(t, operator, password)
	p := &person{site: s, t: t, heard: make(map[uint32]bool), next: 1000, writes: make(map[uint32]write),
		came: make(map[uint32]int), counts: make(map[outcome]int), reasons: make(map[string]int)}
	background(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			p.stay(ctx)
			pause(ctx, 50*time.Millisecond)
		}
		return nil
	})
	return p
}

// now notes what the person is about.
func (p *person) now(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = fmt.Sprintf(format, args...)
}

func (p *person) state() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%s; %d times at the hub, %d readouts failed", p.doing, p.visits, p.failed)
}

// desk hands what comes to the clients of the present visit.
type desk struct {
	mu sync.Mutex
	at *visit
}

// visit is from finding the hub to losing it.
type visit struct {
	values  sensordata.Client
	changes events.Client
	control control.Client
	told    bool        // of an event
	last    nodes.Field // of that
}

func (d *desk) Spaces() []string { return []string{sensordata.NSNFI} }
func (d *desk) Serve(r *ext.Request) {
	r.Fail(&ext.StanzaError{Type: "cancel", Condition: "service-unavailable"})
}

func (d *desk) visit() *visit {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

func (d *desk) Receive(m *ext.Message) {
	if v := d.visit(); v != nil {
		v.values.Receive(m)
		v.changes.Receive(m)
	}
}

func (d *desk) Gone(l ext.Link, jid string) {
	if v := d.visit(); v != nil {
		v.values.Gone(l, jid)
		v.changes.Gone(l, jid)
	}
}

// stay is a session of the person.
func (p *person) stay(ctx context.Context) {
	d := &desk{}
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := xmppface.Dial(short, account(p.site.server, operator), d)
	if err != nil {
		p.now("cannot log in: %v", err)
		return
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { defer stop(); done <- s.Run(running) }()
	defer func() { stop(); <-done }()
	for running.Err() == nil {
		p.now("looks for the hub as %s", s.Self())
		if _, err := s.WaitAvailable(running, p.site.hubJID()); err != nil {
			return
		}
		// One that could not resume its session is there twice, for a while.
		if found := s.Resources(p.site.hubJID()); len(found) > 0 {
			p.visit(running, s, d, found[len(found)-1])
		}
		pause(running, 10*time.Millisecond)
	}
}

// visit works with one session of the hub, until it is over or there is a newer one, or
// ctx ends, as it does with our own session.
func (p *person) visit(ctx context.Context, s *xmppface.Session, d *desk, hub string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &visit{values: sensordata.Client{Link: s, To: hub}, changes: events.Client{Link: s, To: hub}, control: control.Client{Link: s, To: hub}}
	d.mu.Lock()
	d.at = v
	d.mu.Unlock()
	begin, give := context.WithTimeout(ctx, 5*time.Second)
	defer give()
	stop, err := v.changes.Subscribe(begin, events.Subscription{Refs: []nodes.Ref{nodes.In("gw/unit/told")}}, func(_ nodes.Ref, r nodes.Reading) {
		if nodes.KindOf(r.Err) == nodes.Unreachable && len(r.Fields) == 0 {
			cancel()
		}
		for _, f := range r.Fields {
			p.hear(v, f)
		}
	})
	if err != nil {
		p.now("cannot subscribe at %s: %v", hub, err)
		return
	}
	p.mu.Lock()
	p.doing = "is at " + hub
	p.visits++
	p.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { p.readOut(ctx, v) })
	for range writers {
		wg.Go(func() { p.set(ctx, v) })
	}
	for ctx.Err() == nil {
		pause(ctx, 20*time.Millisecond)
		if found := s.Resources(p.site.hubJID()); len(found) == 0 || found[len(found)-1] != hub {
			cancel()
		}
	}
	wg.Wait()
	ended, give := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer give()
	stop(ended) // an error: the hub is gone
}

// hear takes an event. No subscription tells of a change twice, or of an old one; but of
// a value that stays and is flagged otherwise.
func (p *person) hear(v *visit, f nodes.Field) {
	value := uint32(f.Value.Double())
	p.mu.Lock()
	defer p.mu.Unlock()
	if again := v.told && value == p.newest; value < p.newest || again && f.QoS == v.last.QoS {
		p.t.Errorf("%s: event %d of %v, flagged %v, came after %d of %v, flagged %v", p.site.name, value, f.Time, f.QoS, p.newest, v.last.Time, v.last.QoS)
	}
	p.heard[value], p.newest, v.told, v.last = true, value, true, f
}

var asked = func() (refs []nodes.Ref) {
	for i := range constants {
		refs = append(refs, nodes.In(fmt.Sprint("gw/unit/constant", i)))
	}
	return append(refs, nodes.In("gw/unit/counted"))
}()

// readOut reads over and over, and checks what comes.
func (p *person) readOut(ctx context.Context, v *visit) {
	for ctx.Err() == nil {
		if p.idle.Load() {
			pause(ctx, 10*time.Millisecond)
			continue
		}
		got := make(map[string]uint32)
		whole := true
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := v.values.Read(short, nodes.Readout{Refs: asked, Categories: nodes.Momentary}, func(_ nodes.Ref, r nodes.Reading) {
			whole = whole && r.Err == nil
			for _, f := range r.Fields {
				got[f.Name] = uint32(f.Value.Double())
			}
		})
		cancel()
		now := p.site.plant.count()
		p.mu.Lock()
		switch {
		case err != nil || !whole:
			p.failed++
		default:
			p.reads++
			want := map[string]uint32{"counted": got["counted"]}
			for i := range constants {
				want[fmt.Sprint("constant", i)] = constant(i)
			}
			if !maps.Equal(got, want) {
				p.t.Errorf("%s: a readout has %v, want %v", p.site.name, got, want)
			}
			if n := got["counted"]; n < p.read || n > now {
				p.t.Errorf("%s: a readout has the count %d after %d, while the plant had %d", p.site.name, n, p.read, now)
			}
			p.read = max(p.read, got["counted"])
		}
		p.mu.Unlock()
		pause(ctx, 20*time.Millisecond)
	}
}

// set sets the setpoint over and over, to another value each time.
func (p *person) set(ctx context.Context, v *visit) {
	for ctx.Err() == nil {
		if p.idle.Load() {
			pause(ctx, 10*time.Millisecond)
			continue
		}
		p.mu.Lock()
		value := p.next
		p.next++
		p.writes[value] = write{}
		p.mu.Unlock()
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		out, err := v.control.Set(short, []nodes.Ref{nodes.In("gw/unit/setpoint")}, control.Parameter{Name: "setpoint", Value: nodes.Int32(int32(value))})
		cancel()
		told, reason := judge(out, err)
		p.mu.Lock()
		p.writes[value] = write{told, time.Now()}
		if reason != "" {
			p.reasons[reason]++
		}
		p.mu.Unlock()
		pause(ctx, 30*time.Millisecond)
	}
}

// judge is what somebody has to conclude from the answer to a write.
func judge(out []nodes.Outcome, err error) (outcome, string) {
	switch {
	case err != nil && strings.Contains(err.Error(), "outcome unknown"):
		return nobodyKnows, "unknown: " + nodes.KindOf(err).String()
	case err != nil:
		return notWritten, "not tried: " + err.Error()
	case len(out) != 1:
		return nobodyKnows, fmt.Sprintf("%d outcomes", len(out))
	case out[0].State.Good():
		return written, ""
	case out[0].State == nodes.WriteUnknown:
		return nobodyKnows, "unknown: " + out[0].Err.Error()
	}
	return notWritten, fmt.Sprint(out[0].State, ": ", out[0].Err)
}
