package cdev

import (
	"io"
)

// Reader reads edges from a line's descriptor, or from what stands for one.
type Reader struct {
	from io.Reader
	buf  []byte
}

// NewReader makes a reader. A read of from must give whole records, as that of a
// line and that of a pipe do.
func NewReader(from io.Reader) *Reader { return &Reader{from: from} }

// Read does as [Line.Read].
func (r *Reader) Read(list []Event) (int, error) {
	if len(list) == 0 {
		return 0, nil
	}
	if want := eventSize * len(list); cap(r.buf) < want {
		r.buf = make([]byte, want)
	}
	n, err := r.from.Read(r.buf[:eventSize*len(list)])
	if n == 0 && err != nil {
		return 0, err
	}
	return decodeEvents(list, r.buf[:n])
}
