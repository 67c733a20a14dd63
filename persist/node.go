package persist

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// nodeVersion is the newest version of node records: id, name, type, parent,
// position, time of the last change, parameters.
const nodeVersion = 1

// appendNode writes a node record, without its checksum.
func appendNode(b []byte, r *tree.Record) []byte {
	b = append(b, nodeVersion)
	b = appendText(b, r.Spec.ID)
	b = appendText(b, r.Spec.Name)
	b = appendText(b, r.Spec.Type)
	b = appendText(b, r.Spec.Parent)
	b = binary.AppendUvarint(b, r.Position)
	b = appendTime(b, r.Changed)
	b = binary.AppendUvarint(b, uint64(len(r.Spec.Params)))
	for _, id := range slices.Sorted(maps.Keys(r.Spec.Params)) {
		b = appendValue(appendText(b, id), r.Spec.Params[id])
	}
	return b
}

// readNode reads a sealed node record. names holds texts that repeat, and may be
// nil.
func readNode(key, record []byte, names map[string]string) (tree.Record, error) {
	r, _, err := readSealed(key, record, names)
	return r, err
}

// readSealed is readNode and tells whether some of the parameters are sealed.
func readSealed(key, record []byte, names map[string]string) (r tree.Record, sealed bool, err error) {
	content, _, err := unseal(key, record, nodeVersion)
	if err != nil {
		return tree.Record{}, false, err
	}
	d := reader{b: content, names: names}
	r.Spec.ID = d.text()
	r.Spec.Name = d.text()
	r.Spec.Type = d.name()
	r.Spec.Parent = d.name()
	r.Position = d.uint()
	r.Changed = d.time()
	n := d.count()
	r.Spec.Params = make(nodes.Params, n)
	for range n {
		id := d.name()
		r.Spec.Params[id] = d.value()
	}
	if err := d.err(); err != nil {
		return tree.Record{}, false, err
	}
	if r.Spec.ID != string(key) {
		return tree.Record{}, false, errRecord
	}
	return r, d.sealed, nil
}
