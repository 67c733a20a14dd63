package chaos

import (
	"context"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/modbus"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// server is a real one that bad things happen to.
type server interface {
	xmpptest.Server
	Start(testing.TB)
	Stop()
	Kill()
	Pause()
	Resume()
	Log() string
}

// The registers of the unit: eight that never change, two that count, and one for
// setpoints. Each is two words.
const (
	constants = 8
	counted   = 20 // for readouts
	told      = 30 // for events
	setpoint  = 40
	step      = 50 * time.Millisecond // of the counters
)

// constant is what a register that never changes holds.
func constant(i int) uint32 { return 0x10203*uint32(i) + 77 }

// plant is the device, with one unit.
type plant struct {
	*modbustest.Server
	began time.Time
}

func (p *plant) unit() *modbustest.Unit { return p.Unit(1) }

func (p *plant) put(address int, v uint32) {
	p.unit().SetWords(wire.HoldingRegister, address, uint16(v>>16), uint16(v))
}

// count is what the counters are to hold now. They do so at most a moment later.
func (p *plant) count() uint32 { return uint32(time.Since(p.began) / step) }

func newPlant(t *testing.T) *plant {
	t.Helper()
	p := &plant{Server: modbustest.NewServer(), began: time.Now()}
	for i := range constants {
		p.put(2*i, constant(i))
	}
	for _, a := range []int{counted, told, setpoint} {
		p.put(a, 0)
	}
	if err := p.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	background(t, p.Server.Run)
	background(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			n := p.count()
			p.put(told, n)
			p.put(counted, n)
			pause(ctx, step)
		}
		return nil
	})
	return p
}

// background runs f until the test ends.
func background(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// pause waits; it returns early when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// topology is the tree of a plant.
func topology(addr string) []*nodes.Node {
	host, text, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(text)
	unit := &nodes.Node{Spec: nodes.Spec{Name: "unit", Type: "modbus.unit", Params: nodes.Params{"UnitId": nodes.Int32(1)}}}
	register := func(name string, address int, more nodes.Params) {
		p := nodes.Params{"Table": nodes.Enum("holdingRegister", "Table"), "Address": nodes.Int32(int32(address)), "Type": nodes.Enum("uint32", "Type")}
		for k, v := range more {
			p[k] = v
		}
		unit.Children = append(unit.Children, &nodes.Node{Spec: nodes.Spec{Name: name, Type: "modbus.register", Params: p}})
	}
	for i := range constants {
		register("constant"+strconv.Itoa(i), 2*i, nil)
	}
	register("counted", counted, nil)
	register("told", told, nil)
	register("setpoint", setpoint, nodes.Params{"Writable": nodes.Bool(true)})
	return []*nodes.Node{{Spec: nodes.Spec{Name: "gw", Type: "modbus.gateway", Params: nodes.Params{"Host": nodes.String(host),
		"Port": nodes.Int32(int32(port)), "PollInterval": nodes.Duration(0, 30*time.Millisecond)}}, Children: []*nodes.Node{unit}}}
}

// site is a hub with its plant, its server and the network in between.
type site struct {
	name   string // of the server
	server server
	net    *network
	plant  *plant
	face   *xmppface.Face

	mu   sync.Mutex
	sent map[uint32]bool // values of the register told that the hub has sent as events since the last round began
}

const password = "a long password"

func account(s server, name string) xmppface.Account {
	return xmppface.Account{JID: name + "@" + s.Domain(), Password: password, Server: s.Addr(), CAFile: s.CAFile(), Resource: name,
		Timeout: 3 * time.Second, Log: slog.New(slog.DiscardHandler)}
}

// newSite starts all of it, until the test ends.
func newSite(t *testing.T, name string, srv server) *site {
	t.Helper()
	s := &site{name: name, server: srv, net: newNetwork(t, srv.Addr()), plant: newPlant(t), sent: make(map[uint32]bool)}
	srv.AddUser(t, "hub", password)
	quiet := slog.New(slog.DiscardHandler)
	set, err := adapters.NewSet(modbus.Factory())
	if err != nil {
		t.Fatal(err)
	}
	tr, err := tree.New(tree.Config{Source: nodes.DefaultSource, Types: set.Types(), Store: &tree.Memory{}, Opener: set, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	background(t, tr.Run)
	if err := tr.Import(t.Context(), topology(s.plant.Addr())); err != nil {
		t.Fatal(err)
	}
	access := datasources.NewAccess(datasources.Rule{Who: []string{operator + "@" + srv.Domain()}, Way: nodes.WayBroker, May: nodes.AllRights})
	catalog := datasources.New(access, set.Tap, tr)
	extensions := xmppface.Extensions(xmppface.Program{Name: "hub", Product: "hub", Version: "test", OS: "test"}, xmppface.Backends{Catalog: catalog, Log: quiet})
	for _, x := range extensions {
		if r, ok := x.(ext.Runner); ok {
			background(t, r.Run)
		}
	}
	a := account(srv, "hub")
	a.Server, a.Welcome, a.KeepAlive, a.Trace = s.net.addr(), catalog.Friend, time.Second, s.trace
	s.face, err = xmppface.New(a, xmppface.Options{First: 50 * time.Millisecond, Last: 200 * time.Millisecond}, extensions...)
	if err != nil {
		t.Fatal(err)
	}
	background(t, s.face.Run)
	return s
}

var eventValue = regexp.MustCompile(`n='told'[^>]* v='([0-9]+)'`)

// trace notes the events that the hub sends. Readouts never ask for that register.
func (s *site) trace(sent bool, stanza []byte) {
	text := string(stanza)
	if !sent || !strings.HasPrefix(text, "<message") {
		return
	}
	for _, m := range eventValue.FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseUint(m[1], 10, 32)
		if err != nil {
			continue
		}
		s.mu.Lock()
		s.sent[uint32(v)] = true
		s.mu.Unlock()
	}
}

// hubJID is the bare address of the hub.
func (s *site) hubJID() string { return "hub@" + s.server.Domain() }
