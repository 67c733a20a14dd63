package interfaces

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

func TestMain(m *testing.M) { exttest.Main(m, func() error { return goleak.Find() }) }

// fake is a backend of one node that claims three interfaces, of which it lacks one.
type fake struct{}

func (fake) Interfaces(c nodes.Caller, ref nodes.Ref) ([]nodes.Claim, error) {
	switch ref.Resolved() {
	case nodes.In(nodes.RootID):
		return nil, nil
	case nodes.In("GW/7"):
		return []nodes.Claim{{Interface: "urn:nfi:iot:hi:sensor:digitalInputs:1.0"},
			{Interface: "urn:nfi:iot:hi:sensor:temperature:1.0", Lacks: "it has no field Temperature"},
			{Interface: "https://example.org/a?b&c"}}, nil
	}
	return nil, nodes.Errorf(nodes.NotFound, "list interfaces", ref, "no node "+ext.Clip(ref.ID))
}

func TestAnswers(t *testing.T) {
	link := exttest.Pair(t, New(fake{}), nil)
	for _, tt := range []struct{ typ, request, want string }{
		{"get", "<getInterfaces xmlns='$' id='GW/7'/>", "<interfaces xmlns='$'><interface ref='urn:nfi:iot:hi:sensor:digitalInputs:1.0'/><interface ref='https://example.org/a?b&amp;c'/></interfaces>"},
		{"get", "<getInterfaces xmlns='$' id='GW/7' src='MeteringTopology' pt=''/>", "<interfaces xmlns='$'><interface ref='urn:nfi:iot:hi:sensor:digitalInputs:1.0'/><interface ref='https://example.org/a?b&amp;c'/></interfaces>"},
		{"get", "<getInterfaces xmlns='$'/>", "<interfaces xmlns='$'/>"},
		{"get", "<getInterfaces xmlns='$' id='GW/8'/>", "item-not-found"},
		{"get", "<getInterfaces xmlns='$' id='GW/7' src='x'/>", "item-not-found"},
		{"set", "<getInterfaces xmlns='$'/>", "feature-not-implemented"},
		{"get", "<interfaces xmlns='$'/>", "feature-not-implemented"},
		{"get", "<getInterfaces xmlns='" + NSOld + "' id='GW/7'/>", "<getInterfacesResponse xmlns='" + NSOld + "'><interface name='XMPP.IoT.Sensor.DigitalInputs'/><interface name='https://example.org/a?b&amp;c'/></getInterfacesResponse>"},
		{"get", "<getInterfaces xmlns='" + NSOld + "' nodeId='GW/7' sourceId='MeteringTopology'/>", "<getInterfacesResponse xmlns='" + NSOld + "'><interface name='XMPP.IoT.Sensor.DigitalInputs'/><interface name='https://example.org/a?b&amp;c'/></getInterfacesResponse>"},
		{"get", "<getInterfaces xmlns='" + NSOld + "' nodeId='GW/7' cacheType='x'/>", "item-not-found"},
		{"get", "<getInterfaces xmlns='" + NSOld + "'/>", "<getInterfacesResponse xmlns='" + NSOld + "'/>"},
	} {
		for _, space := range []string{NSNFI, NSNF, NSIEEE} {
			e, err := link.AskRaw(t.Context(), tt.typ, strings.ReplaceAll(tt.request, "$", space))
			got := ""
			var stanza *ext.StanzaError
			if errors.As(err, &stanza) {
				got = stanza.Condition
			} else if err != nil {
				t.Fatal(err)
			} else {
				got = string(e.Append(nil, ""))
			}
			if want := strings.ReplaceAll(tt.want, "$", space); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", tt.request, got, want)
			}
		}
	}
}

func TestGet(t *testing.T) {
	link := exttest.Pair(t, New(fake{}), nil)
	want := []string{"urn:nfi:iot:hi:sensor:digitalInputs:1.0", "https://example.org/a?b&c"}
	for _, space := range []string{"", NSNF, NSIEEE, NSOld} {
		got, err := Get(t.Context(), link, exttest.ServerJID, space, nodes.In("GW/7"))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", space, got, err)
		}
	}
	if got, err := Get(t.Context(), link, exttest.ServerJID, "", nodes.Ref{}); err != nil || len(got) != 0 {
		t.Errorf("the hub itself: %q, %v", got, err)
	}
	if _, err := Get(t.Context(), link, exttest.ServerJID, "", nodes.In("GW/8")); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a node that is not there: %v", err)
	}
}

func TestNames(t *testing.T) {
	for ref, old := range map[string]string{
		"urn:nfi:iot:hi:sensor:temperature:1.0":   "XMPP.IoT.Sensor.Temperature",
		"urn:nfi:iot:hi:meter:heatingCooling:1.0": "XMPP.IoT.Meter.HeatingCooling",
		"urn:nfi:iot:hi:sensor:temperature:2.0":   "urn:nfi:iot:hi:sensor:temperature:2.0",
		"urn:example:x:1.0":                       "urn:example:x:1.0",
		"":                                        "",
	} {
		if got := oldName(ref); got != old {
			t.Errorf("oldName(%q) = %q, want %q", ref, got, old)
		}
		if got := newName(old); got != ref {
			t.Errorf("newName(%q) = %q, want %q", old, got, ref)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("<interfaces xmlns='" + NSNFI + "'><interface ref='urn:nfi:iot:hi:sensor:temperature:1.0'/></interfaces>")
	f.Add("<getInterfacesResponse xmlns='" + NSOld + "'><interface name='XMPP.IoT.Sensor.Temperature'/><interface name='XMPP.IoT..'/><interface/></getInterfacesResponse>")
	f.Add("<getInterfaces xmlns='" + NSOld + "' nodeId='a' id=''/>")
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			return
		}
		if refOf(e).ID == "" {
			t.Error("a request about nothing")
		}
		var claims []nodes.Claim
		for _, ref := range read(e) {
			if ref == "" {
				t.Error("an empty reference")
			}
			claims = append(claims, nodes.Claim{Interface: ref})
		}
		for _, space := range []string{NSNFI, NSOld} {
			b := appendAnswer(nil, space, claims)
			back, err := wire.Parse(string(b))
			if err != nil || len(b) > MaxAnswer+1000 {
				t.Fatalf("%d bytes, %v: %.200q", len(b), err, b)
			}
			if got := read(back); space == NSNFI && len(b) < MaxAnswer/8 && !slices.Equal(got, read(e)) {
				t.Errorf("got %q, want %q", got, read(e))
			}
		}
	})
}
