// Package hub_test checks the whole module: which package may import which.
package hub_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/fieldhub/hub"

// room is a part of the house: the packages at or below a path, what they may
// import of this module, and what of others. The longest path that fits a package
// counts; the package itself and what is below it may always be imported. "x"
// allows exactly that package, "x/..." it and all below, "*" everything.
type room struct {
	path   string
	inside []string
	others []string
}

// rooms is the table of ARCHITECTURE.md, "Who may import whom".
var rooms = []room{
	{"nodes", nil, nil},
	{"nodes/param", []string{"nodes"}, nil},
	{"nodes/units", []string{"nodes"}, nil},
	{"nodes/tree", []string{"nodes/..."}, nil},
	{"sniffer", nil, nil},
	{"adapters", []string{"nodes", "nodes/param", "nodes/units", "sniffer"}, nil},
	{"adapters/adaptertest", []string{"nodes", "nodes/param", "nodes/units", "sniffer", "adapters"}, []string{"go.uber.org/goleak"}},
	{"adapters/modbus", []string{"nodes", "nodes/param", "nodes/units", "sniffer", "adapters"}, []string{"github.com/goburrow/", "golang.org/x/sys"}},
	{"adapters/mqtt", []string{"nodes", "nodes/param", "nodes/units", "sniffer", "adapters"}, []string{"github.com/eclipse/paho.mqtt.golang", "github.com/tidwall/gjson", "github.com/gorilla/websocket", "github.com/mochi-mqtt/"}},
	{"adapters/gpio", []string{"nodes", "nodes/param", "nodes/units", "sniffer", "adapters"}, []string{"golang.org/x/sys"}},
	{"datasources", []string{"nodes/...", "sniffer"}, nil},
	{"persist", []string{"nodes/..."}, []string{"go.etcd.io/bbolt", "golang.org/x/sys"}},
	{"xmppface", []string{"nodes", "nodes/param", "nodes/units", "sniffer", "datasources"}, []string{"mellium.im/", "golang.org/x/time/rate"}},
	{"xmppface/wire", []string{"nodes", "nodes/param", "nodes/units"}, nil},
	{"xmppface/form", []string{"nodes", "nodes/param", "nodes/units", "xmppface/wire"}, nil},
	{"xmppface/ext", []string{"nodes", "nodes/param", "nodes/units", "sniffer", "xmppface/wire"}, nil},
	{"xmppface/stream", []string{"xmppface/wire"}, []string{"mellium.im/"}},
	{"xmppface/local", []string{"nodes", "nodes/param", "nodes/units", "xmppface/stream", "xmppface/wire", "xmppface/ext"}, []string{"mellium.im/"}},
	{"xmppface/xmpptest", []string{"*"}, []string{"mellium.im/"}},
	{"cmd", []string{"*"}, []string{"github.com/goccy/go-yaml", "github.com/alecthomas/kong", "golang.org/x/"}},
	{"cmd/hub/chaos", nil, nil}, // tests only, which may import what they need
	{"examples", []string{"*"}, nil},
}

// namespaceRoom is that of a folder below xmppface which the table does not name.
var namespaceRoom = room{"", []string{"nodes", "nodes/param", "nodes/units", "sniffer", "xmppface/ext", "xmppface/wire", "xmppface/form"}, nil}

func roomOf(pkg string) (room, bool) {
	best, found := room{}, false
	for _, r := range rooms {
		if (pkg == r.path || strings.HasPrefix(pkg, r.path+"/")) && len(r.path) >= len(best.path) {
			best, found = r, true
		}
	}
	if rest, ok := strings.CutPrefix(pkg, "xmppface/"); ok && best.path == "xmppface" {
		best = namespaceRoom
		best.path = "xmppface/" + strings.Split(rest, "/")[0]
	}
	return best, found
}

func (r room) allows(imported string) bool {
	rest, ours := strings.CutPrefix(imported, module)
	if !ours {
		return slices.ContainsFunc(r.others, func(o string) bool { return strings.HasPrefix(imported, o) })
	}
	rest = strings.TrimPrefix(rest, "/")
	if rest == r.path || strings.HasPrefix(rest, r.path+"/") {
		return true
	}
	return slices.ContainsFunc(r.inside, func(in string) bool {
		base, all := strings.CutSuffix(in, "/...")
		return in == "*" || rest == base || all && strings.HasPrefix(rest, base+"/")
	})
}

// TestImports reads the sources themselves, so that no cached package list can
// hide a forbidden import. Test files may import what they need.
func TestImports(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && name != "." && (strings.HasPrefix(name, ".") || name == "testdata" || isModule(file)) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		pkg := path.Dir(filepath.ToSlash(file))
		r, ok := roomOf(pkg)
		if !ok {
			t.Errorf("%s: package %s has no room: add it to the table here and in ARCHITECTURE.md", file, pkg)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
				continue // standard library
			}
			seen++
			if !r.allows(imported) {
				t.Errorf("%s: package %s must not import %s", file, pkg, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Error("no import was checked")
	}
}

func isModule(dir string) bool {
	if dir == "." {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func TestRooms(t *testing.T) {
	for _, tt := range []struct {
		pkg, imports string
		want         bool
	}{
		{"nodes", module + "/sniffer", false},
		{"nodes/tree", module + "/nodes/param", true},
		{"adapters/modbus/modbustest", module + "/adapters/modbus/wire", true},
		{"adapters/modbus", module + "/nodes/tree", false},
		{"adapters/modbus", module + "/datasources", false},
		{"adapters/modbus", "go.etcd.io/bbolt", false},
		{"xmppface/sensordata", module + "/xmppface/events", false},
		{"xmppface/sensordata", module + "/datasources", false},
		{"xmppface/sensordata", module + "/xmppface/wire", true},
		{"xmppface", "mellium.im/xmpp/jid", true},
		{"xmppface/concentrator", "mellium.im/xmpp/jid", false},
		{"datasources", module + "/xmppface", false},
		{"cmd/hub/app", module + "/persist", true},
	} {
		r, ok := roomOf(tt.pkg)
		if got := ok && r.allows(tt.imports); got != tt.want {
			t.Errorf("%s imports %s: got %v, want %v", tt.pkg, tt.imports, got, tt.want)
		}
	}
}
