package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestAccess(t *testing.T) {
	_, err := Parse("/etc/hub/hub.yaml", []byte(`data: /d
groups:
  operators: [anna@example.org, "@plant.example.org"]
  empty: []
access:
  - {who: [operators, boss@example.org], may: [see, read]}
  - who: [operators]
    may: [control]
    on: [plant/pump, Root]
  - {who: [boss@example.org], may: [all], source: Hub}
  - {who: [x@y], may: [see], source: Other, on: [a], way: local}
`))
	if err == nil {
		t.Fatal("administer on a source is not a problem")
	}
	if want := ":10:"; !strings.Contains(err.Error(), "administer is about the whole hub") || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	c, err := Parse("/etc/hub/hub.yaml", []byte(`data: /d
groups:
  operators: [anna@example.org, "@plant.example.org"]
  empty: []
access:
  - {who: [operators, boss@example.org], may: [see, read]}
  - who: [operators]
    may: [control]
    on: [plant/pump, Root]
  - {who: [boss@example.org], may: [see], source: Hub}
  - {who: [x@y], may: [see], source: Other, on: [a], way: local}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range c.Access {
		got = append(got, fmt.Sprintf("%v %v %v %v %s", r.Who, r.May, r.Way, r.On, r.Text))
	}
	want := []string{
		"[anna@example.org @plant.example.org boss@example.org] see|read  [] hub.yaml, line 6",
		"[anna@example.org @plant.example.org] control  [plant/pump Root] hub.yaml, line 7",
		"[boss@example.org] see  [Hub:] hub.yaml, line 10",
		"[x@y] see local [Other:a] hub.yaml, line 11",
	}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("rule %d: got %q, want %q", i, got[i], want[i])
		}
	}
}

func TestBadAccess(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"no such group", "groups: {a: [x@y]}\naccess: [{who: [b], may: [see]}]", `:3:17: there is no group "b"; there are: a`},
		{"nobody", "access: [{who: [b], may: [see]}]", `:2:17: "b" is nobody; write name@domain, "@domain" for everybody of a domain, or the name of a group`},
		{"a group that looks like a person", "groups: {\"a@b\": [x@y]}", `"a@b" is no name for a group`},
		{"a member that is nobody", "groups: {a: [x]}", `"x" is nobody`},
		{"groups in groups", "groups: {a: [x@y], b: [a]}", `"a" is nobody`},
		{"about nothing", "access: [{who: [a@b], may: [see], on: []}]", "on is empty"},
		{"no source", "access: [{who: [a@b], may: [see], source: \"\"}]", "source is empty"},
		{"an empty id", "access: [{who: [a@b], may: [see], on: [\"\"]}]", "write the id of a node"},
	} {
		_, err := Parse("hub.yaml", []byte("data: /d\n"+tt.doc))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}
