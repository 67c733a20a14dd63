package datasources

import (
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// TestLast: what is known is told at once, also while a part of the device is not
// current.
func TestLast(t *testing.T) {
	c, _, p, trees := grow(t)
	if err := trees[0].Import(t.Context(), []*nodes.Node{{Spec: nodes.Spec{Name: "q", Parent: "L/U", Type: "register"}}}); err != nil {
		t.Fatal(err)
	}
	p.host("L").Report([]nodes.Reading{reading("L/U/r", 7)})
	r, err := c.Last(person("reader"), nodes.In("L/U"))
	if err != nil || len(r.Fields) != 2 || r.Fields[0].Value != nodes.Double(7) || r.Fields[0].QoS&(nodes.Warning|nodes.Erroneous) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if nodes.KindOf(r.Err) != nodes.Unreachable {
		t.Errorf("what was never read: %v", r.Err)
	}
	if len(p.asked) != 0 {
		t.Errorf("the device was asked for %v", p.asked)
	}
	for _, tt := range []struct {
		who, id string
		want    nodes.ErrorKind
	}{{"reader", "nowhere", nodes.NotFound}, {"stranger", "L/U", nodes.NotFound}, {"operator", "L/U", nodes.Forbidden}} {
		if _, err := c.Last(person(tt.who), nodes.In(tt.id)); nodes.KindOf(err) != tt.want {
			t.Errorf("%s of %s: %v, want %v", tt.who, tt.id, err, tt.want)
		}
	}
	if r, err := c.Last(person("reader"), nodes.In("F")); err != nil || nodes.KindOf(r.Err) != nodes.Unsupported {
		t.Errorf("a folder: %+v, %v", r, err)
	}
}
