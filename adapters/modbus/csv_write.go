package modbus

import (
	"strconv"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// writeRegisterList writes registers as a list that [readRegisterList] reads again:
// a column for the name and one for each parameter that any of them sets, under its
// id. Parameters at their defaults are left empty.
func writeRegisterList(list []*nodes.Node, separator rune) []byte {
	params := registerParams()
	set := func(n *nodes.Node, p *nodes.Param) bool {
		if p.ID == "AddressBase" { // says that the address is meant as it stands
			return n.Params.Text("Reference") == ""
		}
		v := n.Params[p.ID]
		return !v.IsZero() && v != p.Default && !(p.Kind == nodes.KindString && v.Text() == "")
	}
	columns := params[:0:0]
	for i := range params {
		for _, n := range list {
			if set(n, &params[i]) {
				columns = append(columns, params[i])
				break
			}
		}
	}
	var b strings.Builder
	cells := []string{nameColumn}
	for i := range columns {
		cells = append(cells, columns[i].ID)
	}
	writeLine(&b, cells, separator)
	for _, n := range list {
		cells = append(cells[:0], n.Name)
		for i := range columns {
			text := ""
			if p := &columns[i]; set(n, p) {
				text = cellText(*p, n.Params[p.ID])
			}
			cells = append(cells, text)
		}
		writeLine(&b, cells, separator)
	}
	return []byte(b.String())
}

// cellText writes a value so that it is read as the same: a fraction without a
// count of decimals with an exponent.
func cellText(p nodes.Param, v nodes.Value) string {
	s := param.Format(p, v)
	if v.Kind() == nodes.KindDouble && v.Decimals() < 0 && strings.Contains(s, ".") {
		return strconv.FormatFloat(v.Double(), 'e', -1, 64)
	}
	return s
}

// writeLine writes a record (RFC 4180); a name that begins with # is quoted, since
// it would be a comment.
func writeLine(b *strings.Builder, cells []string, separator rune) {
	for i, s := range cells {
		if i > 0 {
			b.WriteRune(separator)
		}
		if strings.ContainsRune(s, separator) || strings.ContainsAny(s, "\"\r\n") || strings.HasPrefix(s, "#") || strings.TrimSpace(s) != s {
			s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
		}
		b.WriteString(s)
	}
	b.WriteString("\r\n")
}
