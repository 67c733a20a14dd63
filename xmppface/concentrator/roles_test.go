package concentrator

import (
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// What a caller needs for an operation beside a right.
const (
	anybody nodes.Rights = 0
	// own is what a caller only does to what he has begun himself, so that without that it
	// is not there for anybody.
	own nodes.Rights = 1 << 7
)

// needs are the rights for each operation, beside See for all but those of anybody.
var needs = map[string]nodes.Rights{
	"getCapabilities": anybody, "getAllDataSources": anybody, "getRootDataSources": anybody, "containsNode": anybody, "containsNodes": anybody,

	"getChildDataSources": nodes.See, "getNode": nodes.See, "getNodes": nodes.See, "getAllNodes": nodes.See, "getNodeInheritance": nodes.See,
	"getRootNodes": nodes.See, "getChildNodes": nodes.See, "getAncestors": nodes.See, "getNodeCommands": nodes.See, "getCommonNodeCommands": nodes.See,
	"subscribe": nodes.See, "unsubscribe": nodes.See,

	"getAddableNodeTypes": nodes.Configure, "getParametersForNewNode": nodes.Configure, "createNewNode": nodes.Configure, "destroyNode": nodes.Configure,
	"getNodeParametersForEdit": nodes.Configure, "setNodeParametersAfterEdit": nodes.Configure, "setNodeParametersForEdit": nodes.Configure,
	"getCommonNodeParametersForEdit": nodes.Configure, "setCommonNodeParametersAfterEdit": nodes.Configure,
	"moveNodeUp": nodes.Configure, "moveNodeDown": nodes.Configure, "moveNodesUp": nodes.Configure, "moveNodesDown": nodes.Configure,
	"getCommandParameters": nodes.Configure, "executeNodeCommand": nodes.Configure, "executeNodeQuery": nodes.Configure,
	"getCommonCommandParameters": nodes.Configure, "executeCommonNodeCommand": nodes.Configure, "executeCommonNodeQuery": nodes.Configure,
	"registerSniffer": nodes.Listen,

	"abortNodeQuery": own, "abortCommonNodeQuery": own, "unregisterSniffer": own,
}

// Everybody gets exactly what he may: every operation by everyone with each right alone,
// with all but each, with all and with none.
func TestRoles(t *testing.T) {
	roles := []nodes.Rights{0, nodes.AllRights}
	for right := nodes.See; right <= nodes.Administer; right <<= 1 {
		roles = append(roles, right, nodes.See|right, nodes.AllRights&^right)
	}
	requests := make(map[string]int)
	for i, g := range golden {
		if g.op == "" {
			requests[g.name] = i
		}
	}
	for _, o := range operations() {
		need, known := needs[o.name]
		i, asked := requests[o.name]
		if !known || !asked {
			t.Errorf("%s has no right in this test, or no golden request", o.name)
			continue
		}
		for _, has := range roles {
			f := newFake()
			_, link, s := pair(t, f, NSNF)
			f.allow(viewer, has)
			got := ask(t, s, link.Net().Server, viewer, typeOf(o.name), op(o.name, golden[i].attrs, golden[i].children))
			want := ""
			switch {
			case need == own, need != anybody && has&nodes.See == 0:
				want = "<item-not-found"
			case has&need != need:
				want = "<forbidden"
			}
			if want == "" && strings.HasPrefix(got, "<error") || !strings.Contains(got, want) {
				t.Errorf("%s by who may %v: %.300s, want %q", o.name, has, got, want)
			}
			if want != "" && f.changed() > 0 {
				t.Errorf("%s by who may %v changed something", o.name, has)
			}
			if has&nodes.See == 0 && (strings.Contains(got, "GW") || strings.Contains(got, ">true<") || strings.Contains(got, "<dataSource ")) && want == "" {
				t.Errorf("%s by who may not see: %s", o.name, got)
			}
		}
	}
}
