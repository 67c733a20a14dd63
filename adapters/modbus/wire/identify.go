package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// The functions with which a device says what it is (MAP 6.13, 6.21).
const (
	ReportServerID = 17
	Encapsulated   = 43 // with MEI type 14: read device identification
)

const identification = 14 // the MEI type

// The kinds of identification (MAP 6.21): each holds the ones before.
const (
	Basic    = 1 // objects 0 to 2, which every device has
	Regular  = 2 // objects to 127
	Extended = 3 // objects from 128 on, the manufacturer's own
)

// IdentifyRequest returns the data of a request for objects of a device, from one
// on, behind function [Encapsulated].
func IdentifyRequest(kind, from byte) []byte { return []byte{identification, kind, from} }

// IdentityObject is one of the things that a device says about itself.
type IdentityObject struct {
	ID   byte
	Text string // in UTF-8; what a device sends in Latin-1 is converted
}

// Identity is one answer to an identification request.
type Identity struct {
	Kind       byte // most that the device has: [Basic], [Regular] or [Extended]
	Single     bool // objects may be asked for one by one
	MoreFollow bool
	Next       byte // object to go on from, when more follow
	Objects    []IdentityObject
}

// ParseIdentity reads the data of an answer to an identification request, without
// the function code.
func ParseIdentity(data []byte) (Identity, error) {
	if len(data) < 6 {
		return Identity{}, fmt.Errorf("the identification holds %d bytes, at least 6 are needed", len(data))
	}
	if data[0] != identification {
		return Identity{}, fmt.Errorf("the answer is of MEI type %d in place of %d", data[0], identification)
	}
	id := Identity{Kind: data[2] & 0x7f, Single: data[2]&0x80 != 0, MoreFollow: data[3] != 0, Next: data[4]}
	rest := data[6:]
	for n := range int(data[5]) {
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			return id, fmt.Errorf("the identification says that it has %d objects and ends in number %d", data[5], n+1)
		}
		end := 2 + int(rest[1])
		id.Objects = append(id.Objects, IdentityObject{rest[0], printable(rest[2:end])})
		rest = rest[end:]
	}
	if len(rest) > 0 {
		return id, fmt.Errorf("the identification has %d bytes behind its last object", len(rest))
	}
	return id, nil
}

var objectNames = [...]string{"vendor name", "product code", "version", "vendor URL", "product name", "model name", "application name"}

// ObjectName says what an identification object holds (MAP 6.21).
func ObjectName(id byte) string {
	switch {
	case int(id) < len(objectNames):
		return objectNames[id]
	case id < 0x80:
		return fmt.Sprintf("object %d (reserved)", id)
	}
	return fmt.Sprintf("object %d (manufacturer's)", id)
}

// ServerID is what a device answers to [ReportServerID]. The specification leaves
// the parts to the manufacturer; they are told apart by the first byte that can be
// the run indicator, 0x00 or 0xFF, behind an id of at least one byte.
type ServerID struct {
	ID      []byte
	Known   bool // whether there was a run indicator
	Running bool
	More    []byte // what follows it
}

// ParseServerID reads the data of an answer to [ReportServerID], without the
// function code. A wrong byte count is forgiven, since devices are known that
// count themselves; nothing at all is not.
func ParseServerID(data []byte) (ServerID, error) {
	if len(data) < 2 {
		return ServerID{}, errors.New("the answer holds no server id")
	}
	data = data[1:]
	s := ServerID{ID: data}
	for i := 1; i < len(data); i++ {
		if data[i] == 0 || data[i] == 0xff {
			return ServerID{data[:i], true, data[i] == 0xff, data[i+1:]}, nil
		}
	}
	return s, nil
}

// Text returns the id as a text, or in hexadecimal when it is none.
func (s ServerID) Text() string { return printable(s.ID) }

// printable returns bytes as a text when all are printable, in UTF-8 or else
// Latin-1, without NUL and blanks at the end; else in hexadecimal.
func printable(b []byte) string {
	end := len(b)
	for end > 0 && (b[end-1] == 0 || b[end-1] == ' ') {
		end--
	}
	for _, c := range b[:end] {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 && !utf8.Valid(b[:end]) {
			return fmt.Sprintf("0x%X", b)
		}
	}
	return Characters(ABCD, b[:end])
}
