package persist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
)

// damage is what is wrong with a file that cannot be used any more. Other errors
// (a lock, a permission, an I/O error) say nothing about the content.
type damage struct{ what string }

func (d *damage) Error() string { return d.what }

func damaged(format string, args ...any) error { return &damage{fmt.Sprintf(format, args...)} }

func isDamage(err error) bool {
	var d *damage
	return errors.As(err, &d)
}

// The layout of a bbolt file, as far as it is looked at here.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10

	pageHeader = 16 // id, flags, count, overflow
	element    = 16 // of a branch or a leaf
	metaSize   = 64

	leafBucket   = 0x01
	bucketHeader = 16 // root page, sequence
	noFreelist   = math.MaxUint64
	maxDepth     = 64
)

// verify reads a whole bbolt file and tells whether every page is where it
// belongs: what passes does not make bbolt panic. It is needed because bbolt maps
// the file into memory and trusts what it finds there. The error is a damage, or
// that of reading.
func verify(r io.ReaderAt, size int64) error {
	v := verifier{r: r, size: size}
	m, err := v.meta()
	if err != nil {
		return err
	}
	if m.pages < 2 || m.pages > uint64(size)/uint64(m.pageSize) {
		return damaged("the file is cut off: %d bytes of %d pages of %d bytes", size, m.pages, m.pageSize)
	}
	v.pageSize, v.pages, v.used = m.pageSize, m.pages, make([]bool, m.pages)
	v.used[0], v.used[1] = true, true
	if err := v.tree(m.root, nil, nil, 0); err != nil {
		return err
	}
	if m.freelist == noFreelist {
		return nil
	}
	return v.freelist(m.freelist)
}

type verifier struct {
	r        io.ReaderAt
	size     int64
	pageSize int
	pages    uint64 // beginning with the first one never used
	used     []bool
	spare    [][]byte // pages that are done with
}

type boltMeta struct {
	pageSize                     int
	root, freelist, pages, write uint64
}

// meta returns the newer one of the two meta pages.
func (v *verifier) meta() (boltMeta, error) {
	first, err := v.metaAt(0)
	if err != nil && !isDamage(err) {
		return boltMeta{}, err
	}
	sizes := []int{first.pageSize}
	if err != nil {
		sizes = sizes[:0]
		for s := 1 << 10; s <= 1<<24; s <<= 1 {
			sizes = append(sizes, s)
		}
	}
	best, found := first, err == nil
	for _, s := range sizes {
		m, err := v.metaAt(int64(s))
		if err != nil && !isDamage(err) {
			return boltMeta{}, err
		}
		if err == nil && m.pageSize == s && (!found || m.write > best.write) {
			best, found = m, true
		}
	}
	if !found {
		return boltMeta{}, damaged("it is no database file, or both of its meta pages are damaged")
	}
	return best, nil
}

func (v *verifier) metaAt(off int64) (boltMeta, error) {
	b := make([]byte, pageHeader+metaSize)
	if off+int64(len(b)) > v.size {
		return boltMeta{}, damaged("the file is cut off: %d bytes", v.size)
	}
	if _, err := v.r.ReadAt(b, off); err != nil {
		return boltMeta{}, err
	}
	b = b[pageHeader:]
	h := fnv.New64a()
	h.Write(b[:metaSize-8])
	le := binary.LittleEndian
	if le.Uint32(b) != boltMagic || h.Sum64() != le.Uint64(b[56:]) {
		return boltMeta{}, damaged("a meta page is damaged")
	}
	if version := le.Uint32(b[4:]); version != boltVersion {
		return boltMeta{}, fmt.Errorf("the file has the database layout %d; this program knows %d", version, boltVersion)
	}
	m := boltMeta{pageSize: int(le.Uint32(b[8:])), root: le.Uint64(b[16:]), freelist: le.Uint64(b[32:]),
		pages: le.Uint64(b[40:]), write: le.Uint64(b[48:])}
	if s := m.pageSize; s < 1<<10 || s > 1<<24 || s&(s-1) != 0 {
		return boltMeta{}, damaged("a meta page says pages have %d bytes", s)
	}
	return m, nil
}

// page reads a page with what it overflows into, and claims it.
func (v *verifier) page(id uint64) ([]byte, error) {
	if id < 2 || id >= v.pages {
		return nil, damaged("page %d is outside of the file", id)
	}
	head := make([]byte, pageHeader)
	off := int64(id) * int64(v.pageSize)
	if _, err := v.r.ReadAt(head, off); err != nil {
		return nil, err
	}
	if got := binary.LittleEndian.Uint64(head); got != id {
		return nil, damaged("page %d calls itself %d", id, got)
	}
	n := uint64(binary.LittleEndian.Uint32(head[12:])) + 1
	if n > v.pages-id {
		return nil, damaged("page %d reaches beyond the end of the file", id)
	}
	for i := id; i < id+n; i++ {
		if v.used[i] {
			return nil, damaged("page %d is used twice", i)
		}
		v.used[i] = true
	}
	b := v.buffer(int(n) * v.pageSize)
	_, err := v.r.ReadAt(b, off)
	if err == io.EOF {
		err = damaged("the file is cut off in page %d", id)
	}
	return b, err
}

// buffer returns room for a page, one that is done with when there is.
func (v *verifier) buffer(size int) []byte {
	if last := len(v.spare) - 1; last >= 0 && cap(v.spare[last]) >= size {
		b := v.spare[last][:size]
		v.spare = v.spare[:last]
		return b
	}
	return make([]byte, size)
}

// tree follows a tree of pages whose first key is low and whose keys are below
// high; nil is no bound. (The element of a branch always has the first key of the
// page it leads to: bbolt finds it by that when it writes.)
func (v *verifier) tree(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return damaged("page %d lies too deep", id)
	}
	b, err := v.page(id)
	if err != nil {
		return err
	}
	defer func() { v.spare = append(v.spare, b) }()
	switch flags := binary.LittleEndian.Uint16(b[8:]); flags {
	case flagLeaf:
		return v.leaf(b, id, low, high, depth, false)
	case flagBranch:
		return v.branch(b, id, low, high, depth)
	default:
		return damaged("page %d is of kind %#x, not a branch or a leaf", id, flags)
	}
}

func (v *verifier) branch(b []byte, id uint64, low, high []byte, depth int) error {
	le := binary.LittleEndian
	count := int(le.Uint16(b[10:]))
	if count == 0 {
		return damaged("branch page %d is empty", id)
	}
	keys, children := make([][]byte, count), make([]uint64, count)
	for i := range count {
		e := pageHeader + i*element
		if e+element > len(b) {
			return damaged("page %d has %d elements, more than fit", id, count)
		}
		key, _, err := data(b, e, le.Uint32(b[e:]), le.Uint32(b[e+4:]), 0, count)
		if err != nil {
			return damaged("page %d, element %d: %v", id, i, err)
		}
		keys[i], children[i] = key, le.Uint64(b[e+8:])
	}
	if err := ordered(keys, low, high); err != nil {
		return damaged("page %d: %v", id, err)
	}
	for i := range count {
		end := high
		if i+1 < count {
			end = keys[i+1]
		}
		if err := v.tree(children[i], keys[i], end, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf looks at a leaf page, or at the inline page of a small bucket.
func (v *verifier) leaf(b []byte, id uint64, low, high []byte, depth int, inline bool) error {
	le := binary.LittleEndian
	count := int(le.Uint16(b[10:]))
	keys := make([][]byte, count)
	for i := range count {
		e := pageHeader + i*element
		if e+element > len(b) {
			return damaged("page %d has %d elements, more than fit", id, count)
		}
		key, value, err := data(b, e, le.Uint32(b[e+4:]), le.Uint32(b[e+8:]), le.Uint32(b[e+12:]), count)
		if err != nil {
			return damaged("page %d, element %d: %v", id, i, err)
		}
		keys[i] = key
		switch flags := le.Uint32(b[e:]); {
		case flags == 0:
		case flags == leafBucket && !inline:
			if err := v.bucket(value, id, depth); err != nil {
				return err
			}
		default:
			return damaged("page %d, element %d: unknown kind %#x", id, i, flags)
		}
	}
	if err := ordered(keys, low, high); err != nil {
		return damaged("page %d: %v", id, err)
	}
	return nil
}

func (v *verifier) bucket(value []byte, id uint64, depth int) error {
	if len(value) < bucketHeader {
		return damaged("page %d: a bucket is too short", id)
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		return v.tree(root, nil, nil, depth+1)
	}
	inline := value[bucketHeader:]
	le := binary.LittleEndian
	if len(inline) < pageHeader || le.Uint64(inline) != 0 || le.Uint16(inline[8:]) != flagLeaf || le.Uint32(inline[12:]) != 0 {
		return damaged("page %d: a small bucket is damaged", id)
	}
	return v.leaf(inline, id, nil, nil, depth, true)
}

// data returns key and value of the element at e, whose data begin pos bytes
// after it.
func data(b []byte, e int, pos, keySize, valueSize uint32, count int) (key, value []byte, err error) {
	begin := uint64(e) + uint64(pos)
	end := begin + uint64(keySize) + uint64(valueSize)
	if begin < uint64(pageHeader+count*element) || end > uint64(len(b)) {
		return nil, nil, errors.New("its data lie outside of the page")
	}
	if keySize == 0 {
		return nil, nil, errors.New("it has no key")
	}
	mid := begin + uint64(keySize)
	return b[begin:mid:mid], b[mid:end:end], nil
}

func ordered(keys [][]byte, low, high []byte) error {
	if low != nil && (len(keys) == 0 || !bytes.Equal(keys[0], low)) {
		return errors.New("it does not begin with the key by which it was found")
	}
	for i, k := range keys {
		switch {
		case high != nil && bytes.Compare(k, high) >= 0:
			return fmt.Errorf("key %d does not belong there", i)
		case i > 0 && bytes.Compare(keys[i-1], k) >= 0:
			return fmt.Errorf("key %d is out of order", i)
		}
	}
	return nil
}

// freelist looks at the list of pages that are free.
func (v *verifier) freelist(id uint64) error {
	b, err := v.page(id)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	if flags := le.Uint16(b[8:]); flags != flagFreelist {
		return damaged("page %d is of kind %#x, not the list of free pages", id, flags)
	}
	count, ids := uint64(le.Uint16(b[10:])), b[pageHeader:]
	if count == math.MaxUint16 {
		count, ids = le.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return damaged("the list of free pages has %d entries, more than fit", count)
	}
	for i := range count {
		free := le.Uint64(ids[i*8:])
		if free < 2 || free >= v.pages || v.used[free] {
			return damaged("page %d is free and in use", free)
		}
		v.used[free] = true
	}
	return nil
}
