package control

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

func TestMain(m *testing.M) { exttest.Main(m, func() error { return goleak.Find() }) }

var quiet = slog.New(slog.DiscardHandler)

// fake is a backend over some nodes:
//
//	all     a parameter of each kind, all with a present value
//	pump    on, speed (0 to 3000), mode; fresh
//	fan     on, speed (0 to 1500), mode with other options; fresh, speed differs
//	old     on, of which nothing is known at present
//	blind   on, that may be set but not read
//	spot    on, and pan and tilt in a section
//	folder  nothing
//	secret  may be seen only
//
// What a write comes to is said by its outcome, if there is one for its node and name.
type fake struct {
	outcomes map[string]nodes.Outcome
	hold     chan struct{} // writes of speed 77 wait for it; nil: none do

	mu      sync.Mutex
	written []string
	setting int
	most    int
	calls   int
}

var modes = []nodes.Option{{Value: "Auto"}, {Value: "Hand", Label: "By hand"}, {Value: "Off"}}

func parameter(id string, k nodes.Kind) nodes.Param {
	return nodes.Param{ID: id, Page: "Output", Label: strings.ToUpper(id), Kind: k, Required: true}
}

func (f *fake) params(id string) []nodes.Param {
	on, speed, mode := parameter("on", nodes.KindBool), parameter("speed", nodes.KindDouble), parameter("mode", nodes.KindEnum)
	speed.Min, speed.Max = nodes.Double(0), nodes.Double(3000)
	mode.Options = modes
	switch id {
	case "all":
		var list []nodes.Param
		for k := nodes.KindBool; k <= nodes.KindColor; k++ {
			p := parameter(k.String(), k)
			if k == nodes.KindEnum {
				p.Options = modes
			}
			p.Required = k != nodes.KindString
			list = append(list, p)
		}
		return list
	case "pump":
		return []nodes.Param{on, speed, mode}
	case "fan":
		speed.Max = nodes.Double(1500)
		mode.Options = modes[1:]
		return []nodes.Param{mode, speed, on}
	case "spot":
		pan, tilt := parameter("pan", nodes.KindDouble), parameter("tilt", nodes.KindDouble)
		pan.Section, tilt.Section = "Direction", "Direction"
		return []nodes.Param{on, pan, tilt}
	case "old", "blind":
		return []nodes.Param{on, parameter("text", nodes.KindString)}
	}
	return nil
}

var day = time.Date(2026, 11, 23, 9, 30, 15, 250e6, time.UTC)

// values are of all kinds, in the order of the kinds.
var values = []nodes.Value{nodes.Bool(true), nodes.Int32(-7), nodes.Int64(1 << 40), nodes.Quantity(23.5, 2, ""), nodes.String("a <b> & \"c\" 'd'"),
	nodes.Enum("Hand", "Mode"), nodes.Date(day), nodes.DateTime(day), nodes.TimeOfDay(9*time.Hour + 30*time.Minute + 250*time.Millisecond),
	nodes.Duration(14, 90*time.Second), nodes.Color(255, 128, 0, 64)}

func (f *fake) May(c nodes.Caller, r nodes.Rights, ref nodes.Ref) bool {
	return f.check(c, ref) == nil
}

func (f *fake) check(c nodes.Caller, ref nodes.Ref) error {
	ref = ref.Resolved()
	switch ref.ID {
	case "all", "pump", "fan", "old", "blind", "spot", "folder", "secret":
	default:
		ref.Source = ""
	}
	switch {
	case c.JID != "ops@example.org" || ref.Source != nodes.DefaultSource || ref.Partition != "":
		return nodes.Errorf(nodes.NotFound, "list controls", ref, "no node "+ext.Clip(ref.ID))
	case ref.ID == "secret":
		return nodes.Errorf(nodes.Forbidden, "list controls", ref, "you may see this node, but not: control")
	}
	return nil
}

func (f *fake) Controls(c nodes.Caller, ref nodes.Ref) ([]nodes.Param, error) {
	if err := f.check(c, ref); err != nil {
		return nil, err
	}
	return f.params(ref.ID), nil
}

func (f *fake) Last(c nodes.Caller, ref nodes.Ref) (nodes.Reading, error) {
	field := func(name string, v nodes.Value, q nodes.QoS) nodes.Field {
		return nodes.Field{Name: name, Value: v, Time: day, Category: nodes.Momentary, Writable: true, QoS: q}
	}
	r := nodes.Reading{Node: ref.ID}
	switch ref.ID {
	case "all":
		for i, p := range f.params("all") {
			r.Fields = append(r.Fields, field(p.ID, values[i], 0))
		}
	case "pump":
		r.Fields = []nodes.Field{field("on", nodes.Bool(true), nodes.AutomaticReadout), field("speed", nodes.Quantity(1450, 0, "1/min"), 0),
			field("mode", nodes.Enum("Auto", "mode"), nodes.Erroneous), field("current", nodes.Quantity(3.5, 1, "A"), 0)}
	case "fan":
		r.Fields = []nodes.Field{field("on", nodes.Bool(true), 0), field("speed", nodes.Quantity(900, 0, "1/min"), 0)}
	case "old":
		r.Err = nodes.Errorf(nodes.Unreachable, "read", ref, "old has not been read yet")
		r.Fields = []nodes.Field{field("on", nodes.Bool(true), nodes.Warning)}
	case "blind":
		return r, nodes.Errorf(nodes.Forbidden, "read", ref, "you may see this node, but not: read")
	}
	return r, nil
}

func (f *fake) Set(ctx context.Context, c nodes.Caller, list []nodes.Assignment) ([]nodes.Outcome, error) {
	wrong, bad := make(map[string]string), nodes.Ref{}
	for _, a := range list {
		if err := f.check(c, a.Ref); err != nil {
			return nil, err
		}
		text := "no such control parameter"
		for _, p := range f.params(a.Ref.ID) {
			if p.ID == a.Name {
				text = ""
				if _, err := param.Value(p, a.Value); err != nil {
					text = err.Error()
				}
			}
		}
		if text != "" && (bad == a.Ref || bad.ID == "") {
			bad, wrong[a.Name] = a.Ref, text
		}
	}
	if len(wrong) > 0 {
		return nil, &nodes.Error{Op: "set", Ref: bad, Kind: nodes.Invalid, Fields: wrong}
	}
	f.mu.Lock()
	f.calls++
	f.setting++
	f.most = max(f.most, f.setting)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.setting--
		f.mu.Unlock()
	}()
	var out []nodes.Outcome
	for _, a := range list {
		if f.hold != nil && a.Value.Double() == 77 {
			<-f.hold
		}
		o, ok := f.outcomes[a.Ref.ID+" "+a.Name]
		switch {
		case len(out) > 0 && !out[len(out)-1].State.Good():
			o = nodes.Outcome{State: nodes.WriteSkipped}
		case !ok:
			o = nodes.Outcome{State: nodes.WriteDone}
		}
		if o.State.Good() {
			f.mu.Lock()
			f.written = append(f.written, a.Ref.ID+" "+a.Name+"="+a.Value.String())
			f.mu.Unlock()
		}
		out = append(out, o)
	}
	return out, nil
}

func (f *fake) all() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.written, " ")
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// pair is a server and a client.
func pair(t testing.TB, f *fake, space string) (*Client, *exttest.Link, *Server) {
	t.Helper()
	s := New(f, quiet)
	link := exttest.Pair(t, s, nil)
	return &Client{Link: link, To: exttest.ServerJID, Space: space}, link, s
}
