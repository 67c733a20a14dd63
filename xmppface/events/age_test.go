package events

import (
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// TestMaxAge: what is older neither triggers nor is sent; what a device is does not
// age.
func TestMaxAge(t *testing.T) {
	now := time.Now()
	aged := func(name string, n int32, c nodes.Category, age time.Duration) nodes.Field {
		return nodes.Field{Name: name, Value: nodes.Int32(n), Time: now.Add(-age), Category: c}
	}
	old := aged("Old", 1, nodes.Historical, 2*time.Hour)
	young := aged("Young", 2, nodes.Historical, 30*time.Minute)
	level := aged("Level", 3, nodes.Momentary, 2*time.Hour)
	serial := aged("Serial", 4, nodes.Identity, 2*time.Hour)
	for _, tt := range []struct {
		maxAge, want string
		told         []nodes.Field
	}{
		{"", "GW/7:Old=1 GW/7:Level=3 GW/7:Serial=4 GW/7:Young=2", []nodes.Field{old, young, level, serial}},
		{"PT0S", "GW/7:Old=1 GW/7:Level=3 GW/7:Serial=4 GW/7:Young=2", []nodes.Field{old, young, level, serial}},
		{"PT1H", "GW/7:Young=2 GW/7:Serial=4", []nodes.Field{old, young, level, serial}},
		{"P1D", "GW/7:Old=1 GW/7:Level=3 GW/7:Serial=4 GW/7:Young=2", []nodes.Field{old, young, level, serial}},
		{"PT1H", "", []nodes.Field{old, level}},
	} {
		f := newFake()
		link, in, _ := peer(t, f)
		attrs := "id='1'"
		if tt.maxAge != "" {
			attrs += " maxAge='" + tt.maxAge + "'"
		}
		ask(t, link, "set", subscribe(NSNFI, attrs, "<nd id='GW/7'/>"))
		f.set("GW/7", tt.told...)
		wait := 5 * time.Second
		if tt.want == "" {
			wait = 100 * time.Millisecond
		}
		if got := values(in.next(wait)); got != tt.want {
			t.Errorf("maxAge %q: got %q, want %q", tt.maxAge, got, tt.want)
		}
	}
	// A readout of all fields leaves them out, too.
	f := newFake()
	f.fields["GW/7"] = []nodes.Field{old, young, level}
	link, in, _ := peer(t, f)
	ask(t, link, "set", subscribe(NSNFI, "id='1' maxAge='PT1H' req='true'", "<nd id='GW/7'/>"))
	if got := values(in.next(5 * time.Second)); got != "GW/7:Young=2" {
		t.Errorf("req: got %q", got)
	}
}

// TestMaxAgeOfClient: the client's wish reaches the hub.
func TestMaxAgeOfClient(t *testing.T) {
	f := newFake()
	f.fields["GW/8"] = []nodes.Field{
		{Name: "Old", Value: nodes.Int32(1), Time: time.Now().Add(-2 * time.Hour), Category: nodes.Historical},
		{Name: "Young", Value: nodes.Int32(2), Time: time.Now().Add(-time.Minute), Category: nodes.Historical}}
	c, _ := pair(t, f, "")
	var got told
	stop, err := c.Subscribe(t.Context(), Subscription{Refs: []nodes.Ref{nodes.In("GW/8")}, MaxAge: time.Hour, Now: true}, got.notify)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the young one is told", func() bool { return got.all() == "GW/8:Young=2" })
	if err := stop(t.Context()); err != nil {
		t.Error(err)
	}
}
