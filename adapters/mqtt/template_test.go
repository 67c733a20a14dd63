package mqtt

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
)

func TestPattern(t *testing.T) {
	for _, tt := range []struct{ pattern, filter, topic, want string }{
		{"plant/{line}/{device}/state", "plant/+/+/state", "plant/a/b/state", "device=b line=a"},
		{"plant/{line}/{device}/state", "plant/+/+/state", "plant/a/state", ""},
		{"plant/{line}/{device}/state", "plant/+/+/state", "plant/a/b/state/x", ""},
		{"plant/{line}/state", "plant/+/state", "plant//state", ""},
		{"plant/pump-{n}.x", "plant/+", "plant/pump-7.x", "n=7"},
		{"plant/pump-{n}.x", "plant/+", "plant/pump-.x", ""},
		{"plant/pump-{n}.x", "plant/+", "plant/fan-7.x", ""},
		{"{a}/{a}", "+/+", "x/x", "a=x"},
		{"{a}/{a}", "+/+", "x/y", ""},
		{"{a}/b", "+/b", "$SYS/b", ""},
		{"{a}", "+", "Größe 1", "a=Größe 1"},
	} {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		values := p.match(tt.topic)
		got := strings.ReplaceAll(writeNames(values), "\n", " ")
		if p.filter() != tt.filter || got != tt.want {
			t.Errorf("%s: %s is %q of %s, want %q of %s", tt.pattern, tt.topic, got, p.filter(), tt.want, tt.filter)
		}
		if values != nil && (substitute(tt.pattern, values) != tt.topic || !covers(tt.filter, tt.topic) || !maps.Equal(values, readNames(writeNames(values)))) {
			t.Errorf("%s with %v is %s", tt.pattern, values, substitute(tt.pattern, values))
		}
	}
	for _, wrong := range []string{"", "plant/state", "plant/+/{a}", "plant/{}", "plant/{a", "plant/{a}{b}", "plant/{1}", "plant/{a b}"} {
		if _, err := parsePattern(wrong); err == nil {
			t.Errorf("%q is a pattern", wrong)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("plant/{line}/x-{n}", "plant/a/x-1")
	f.Fuzz(func(t *testing.T, text, topic string) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		if values := p.match(topic); values != nil && (substitute(text, values) != topic || !covers(p.filter(), topic)) {
			t.Errorf("%q in %q: %v", topic, text, values)
		}
	})
}

func templateNode(fields []*nodes.Node, more ...any) *nodes.Node {
	return &nodes.Node{Children: fields, Spec: nodes.Spec{Name: "pumps", Type: TypeTemplate, Params: params(append([]any{"Topic", "plant/{line}/{device}/state"}, more...)...)}}
}

func pumpFields() []*nodes.Node {
	return []*nodes.Node{fieldNode("speed", "speed", "Unit", "1/min"), fieldNode("mode", "", "Topic", "plant/{line}/{device}/mode", "Format", "text", "Type", "text", "Writable", true, "CommandTopic", "plant/{line}/{device}/set", "Command", "{value}", "Acknowledge", "none")}
}

// adopted waits until a number of devices were created, and gives them to the device.
func adopted(t testing.TB, d *adaptertest.Device, from, n int) {
	t.Helper()
	d.Host.Wait(t, soon, fmt.Sprintf("%d devices", n), func() bool { return len(d.Host.Created()) == n })
	created(d, from)
}

// Names that come up are shown, and become devices when a person wishes it. What is
// changed in the template changes with them.
func TestTemplate(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	b.Publish("plant/a/p1/state", `{"speed":1}`, true)
	d := start(t, brokerNode(t, b.Port(), []*nodes.Node{templateNode(pumpFields())}))
	connected(t, d, b, "plant/+/+/state")
	connected(t, d, b, "plant/+/+/mode")
	b.Publish("plant/b/p1/mode", "auto", false) // a field's topic names the device, too
	b.Publish("plant/a/6f0c1a2e-0000-4000-8000-000000000001/state", `{"speed":1}`, false)
	d.Host.Wait(t, soon, "what is said of them", func() bool {
		return strings.HasPrefix(message(d.Host, "mq/pumps", EventTemplate), "2 devices of pumps came up that are no nodes: plant/a/p1/state, plant/b/p1/state.")
	})
	list, err := d.Query(soon, "mq/pumps", "ListNames", nil)
	if got := strings.Join(rows(list), "\n"); err != nil || got != "plant/a/p1/state|device=p1, line=a|1|\nplant/b/p1/state|device=p1, line=b|1|" {
		t.Errorf("got %s, %v", got, err)
	}
	if r, ok := list[len(list)-1].(nodes.Remark); !ok || !strings.Contains(r.Text, "looks like an id") {
		t.Errorf("nothing is said of ids: %v", list[len(list)-1])
	}
	if len(d.Host.Created()) > 0 {
		t.Fatal("devices were made without being asked")
	}
	if err := d.Execute(soon, "mq/pumps", "AdoptDevice", params("Topic", "plant/x")); nodes.KindOf(err) != nodes.NotAcceptable {
		t.Errorf("an unknown name: %v", err)
	}
	if err := d.Execute(soon, "mq/pumps", "AdoptDevice", params("Topic", "plant/b/p1/state")); err != nil {
		t.Fatal(err)
	}
	if err := d.Execute(soon, "mq/pumps", "AdoptAll", nil); err != nil {
		t.Fatal(err)
	}
	adopted(t, d, 0, 2)
	d.Host.Wait(t, soon, "the value that the broker kept", func() bool { return d.Host.Value("mq/pumps/a p1/speed") == nodes.Quantity(1, 0, "1/min") })
	d.Host.Wait(t, soon, "no message", func() bool { return d.Host.AllMessages() == 0 })
	b.Publish("plant/b/p1/mode", "hand", false)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/pumps/b p1/mode") == nodes.String("hand") })
	if o := d.Set(soon, nodes.Setting{Node: "mq/pumps/b p1/mode", Name: "mode", Value: nodes.String("off")})[0]; !o.State.Good() {
		t.Errorf("the setting: %v", o.Err)
	}
	if m := b.Messages(); len(m) != 1 || m[0].Topic != "plant/b/p1/set" || m[0].Payload != "off" {
		t.Errorf("published: %v", m)
	}

	// Another unit, another pattern, and a field more.
	f := adaptertest.Fill(t, factory(hasty), fieldNode("speed", "speed", "Unit", "Hz"))
	more := adaptertest.Fill(t, factory(hasty), fieldNode("load", "load", "Unit", "%"))
	for _, n := range []*nodes.Node{f, more} {
		n.Parent, n.ID = "mq/pumps", "mq/pumps/"+n.Name
		d.Host.Allow(n.ID)
	}
	edited := adaptertest.Fill(t, factory(hasty), templateNode(nil, "Topic", "works/{line}/{device}"))
	edited.ID, edited.Parent = "mq/pumps", "mq"
	d.Update(nodes.Change{Put: []*nodes.Node{edited, f, more}})
	adopted(t, d, 2, 4)
	connected(t, d, b, "works/+/+")
	b.Publish("works/a/p1", `{"speed":2,"load":30}`, false)
	d.Host.Wait(t, soon, "values as the template says now", func() bool {
		return d.Host.Value("mq/pumps/a p1/speed") == nodes.Quantity(2, 0, "Hz") && d.Host.Value("mq/pumps/a p1/load") == nodes.Quantity(30, 0, "%")
	})
}

// Devices are made by themselves up to the bound, of which it is told; one that a person
// removed does not come back, not after a restart either.
func TestTemplateAutomatic(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	n := brokerNode(t, b.Port(), []*nodes.Node{templateNode(pumpFields(), "Automatic", true, "MaxDevices", 2)})
	d := start(t, n)
	connected(t, d, b, "plant/+/+/state")
	publishing(t, b, `{"speed":3}`, "plant/a/p1/state", "plant/a/p2/state", "plant/a/p3/state")
	adopted(t, d, 0, 2)
	d.Host.Wait(t, soon, "the bound", func() bool {
		return strings.HasPrefix(message(d.Host, "mq/pumps", EventTemplate), "pumps has 2 devices, as MaxDevices says, and 1 more came up: ")
	})
	if err := d.Execute(soon, "mq/pumps", "AdoptAll", nil); nodes.KindOf(err) != nodes.NotAcceptable {
		t.Errorf("one too many: %v", err)
	}
	made := d.Host.Created()
	gone := made[0]
	ids := []string{}
	for _, f := range gone.Children {
		ids = append(ids, f.ID)
	}
	d.Update(nodes.Change{Removed: append(ids, gone.ID)})
	adopted(t, d, 2, 3) // the third has its place
	time.Sleep(10 * hasty.tick)
	if len(d.Host.Created()) != 3 {
		t.Error("a device that was removed came back")
	}
	d.Stop()

	tree := adaptertest.Fill(t, factory(hasty), n)
	tree.Children[0].Params["MaxDevices"] = nodes.Int32(10)
	tree.Children[0].Children = append(tree.Children[0].Children, d.Host.Created()[1:]...)
	d = startWith(t, tree, d.Host.Shelf())
	d.Host.Wait(t, soon, "values after a restart", func() bool { return d.Host.Value(made[1].ID+"/speed") == nodes.Quantity(3, 0, "1/min") })
	d.Host.Wait(t, soon, "the name that is left", func() bool {
		list, err := d.Query(soon, "mq/pumps", "ListNames", nil)
		return err == nil && strings.HasSuffix(strings.Join(rows(list), "\n"), "its device was removed")
	})
	if len(d.Host.Created()) > 0 {
		t.Error("a device that was removed came back after a restart")
	}
	if err := d.Execute(soon, "mq/pumps", "AdoptDevice", params("Topic", gone.Params.Text("Topic"))); err != nil {
		t.Errorf("a person wants it back: %v", err)
	}
}

// However many names come up, only so many are kept in mind.
func TestTemplateFlood(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), []*nodes.Node{templateNode(pumpFields(), "Automatic", true, "MaxDevices", 3)}))
	connected(t, d, b, "plant/+/+/state")
	for i := range 3000 {
		b.Publish(fmt.Sprintf("plant/a/p%d/state", i), `{"speed":1}`, false)
	}
	d.Host.Wait(t, soon, "the bound", func() bool {
		return strings.Contains(message(d.Host, "mq/pumps", EventTemplate), "as MaxDevices says, and 997 more")
	})
	if n := len(d.Host.Created()); n != 3 {
		t.Errorf("%d devices were made", n)
	}
	list, err := d.Query(soon, "mq/pumps", "ListNames", nil)
	if n := len(rows(list)); err != nil || n != 997 {
		t.Errorf("%d names are kept, %v", n, err)
	}
}

func TestTemplateMosquitto(t *testing.T) {
	m := mosquitto(t)
	c := publisher(t, m.Port)
	send(t, c, "plant/a/p1/state", true, `{"speed":1}`)
	d := start(t, brokerNode(t, m.Port, []*nodes.Node{templateNode(pumpFields(), "Automatic", true)}, "QoS", "1"))
	adopted(t, d, 0, 1)
	d.Host.Wait(t, soon, "the value that the broker kept", func() bool { return d.Host.Value("mq/pumps/a p1/speed") == nodes.Quantity(1, 0, "1/min") })
	send(t, c, "plant/a/p1/state", false, `{"speed":2}`)
	d.Host.Wait(t, soon, "a live value", func() bool { return d.Host.Value("mq/pumps/a p1/speed") == nodes.Quantity(2, 0, "1/min") })
	send(t, c, "plant/b/p7/state", false, `{"speed":1}`)
	adopted(t, d, 1, 2)
	if message(d.Host, "mq", EventSubscription) != "" {
		t.Error("a subscription was refused")
	}
}
