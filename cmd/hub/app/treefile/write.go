package treefile

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// Append writes nodes as a file that [Parse] reads back. Ids and parameters that
// are what they would be when left out are left out. Secrets are, too: a comment
// stands in their place.
func Append(b []byte, list []*nodes.Node, types Types) []byte {
	if len(list) == 0 {
		return append(b, "[]\n"...)
	}
	for _, n := range list {
		b = appendNode(b, n, types, "", nodes.RootID)
	}
	return b
}

func appendNode(b []byte, n *nodes.Node, types Types, indent, parentID string) []byte {
	line := func(first bool, key, value string) {
		b = append(b, indent...)
		if first {
			b = append(b, "- "...)
		} else {
			b = append(b, "  "...)
		}
		b = append(b, key...)
		b = append(b, ':')
		if value != "" {
			b = append(b, ' ')
			b = append(b, value...)
		}
		b = append(b, '\n')
	}
	line(true, "name", quoted(n.Name))
	id := n.Name
	if parentID != nodes.RootID {
		id = parentID + "/" + n.Name
	}
	if n.ID != id {
		line(false, "id", quoted(n.ID))
	}
	line(false, "type", n.Type)
	t, _ := types(n.Type)
	var params, secrets []string
	for _, p := range t.Params {
		v := n.Params[p.ID]
		switch {
		case v.IsZero() || v == p.Default:
		case p.Secret:
			secrets = append(secrets, p.ID)
		case p.Kind == nodes.KindString || p.Kind == nodes.KindEnum:
			params = append(params, p.ID+": "+quoted(param.Format(p, v)))
		default:
			params = append(params, p.ID+": "+param.Format(p, v))
		}
	}
	if len(params) > 0 {
		line(false, "params", "{"+strings.Join(params, ", ")+"}")
	}
	for _, id := range secrets {
		b = append(b, indent...)
		b = append(b, "  # "+id+" is a secret and was left out\n"...)
	}
	if len(n.Children) > 0 {
		line(false, "children", "")
		for _, c := range n.Children {
			b = appendNode(b, c, types, indent+"    ", n.ID)
		}
	}
	return b
}

var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*$`)

// words mean something else to some readers of YAML when not quoted.
var words = []string{"true", "false", "yes", "no", "on", "off", "null", "nan", "inf", "y", "n"}

func quoted(s string) string {
	if plain.MatchString(s) && !slices.Contains(words, strings.ToLower(s)) {
		return s
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // cannot be: every string can be encoded
	}
	return strings.TrimSuffix(out.String(), "\n")
}
