package persist

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// Secrets say which parameters are sealed in the file, and with what. Sealed is
// AES-256 in Galois/Counter Mode with a random nonce; the data source, the node's id
// and the parameter's are authenticated with it, so that a sealed value is of use in
// its own place only.
type Secrets struct {
	// Keys open what is sealed; the first one seals. Without any nothing is opened,
	// and a commit with a secret in it is refused.
	Keys []Key
	// Type tells whether nodes of a type may have secrets. It is called as Param is.
	Type func(typ string) bool
	// Param tells whether a parameter of nodes of a type is a secret. It is called
	// by several goroutines at once.
	Param func(typ, param string) bool
}

// Key seals and opens. Its zero value is none.
type Key struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

// ErrNoKey is the cause when a secret is to be stored and there is no key.
var ErrNoKey = errors.New("it is a secret, and there is no key to store it with; put the key file in place and start the hub again")

const (
	keySize   = 32 // bytes of a key, for AES-256
	keyIDSize = 8
	padding   = 32 // a sealed value tells its length only in such steps
)

// sealVersion is the first byte of what is sealed; then come the id of the key, the
// nonce and what it encrypts.
const sealVersion = 1

// sealedPrefix begins the text that stands for a sealed value in memory.
const sealedPrefix = "sealed:"

// NewKey makes a key, as a line of a key file.
func NewKey() string {
	b := make([]byte, keySize)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// ParseKeys reads a key file: in each line the base64 of 32 random bytes; empty lines
// and those that begin with # are passed over. There is at least one when it returns no
// error. Errors quote nothing of the file.
func ParseKeys(text []byte) ([]Key, error) {
	var out []Key
	for i, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		b, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil || len(b) != keySize {
			return nil, fmt.Errorf("line %d is no key: a key is %d random bytes in base64", i+1, keySize)
		}
		k, err := newKey(b)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return out, nil
}

func newKey(b []byte) (k Key, err error) {
	sum := sha256.Sum256(append([]byte("hub key id\x00"), b...))
	copy(k.id[:], sum[:])
	block, err := aes.NewCipher(b)
	if err == nil {
		k.aead, err = cipher.NewGCMWithRandomNonce(block)
	}
	return k, err
}

// Sealed tells whether v stands for a secret that could not be opened. It must not be
// used as one; stored again it is what it was.
func Sealed(v nodes.Value) bool { return sealedBytes(v) != nil }

// sealedBytes is what v stands for, or nil. A person may write such a text too: it is
// kept, and opens only where it was sealed.
func sealedBytes(v nodes.Value) []byte {
	if v.Kind() != nodes.KindString {
		return nil
	}
	text, ok := strings.CutPrefix(v.Text(), sealedPrefix)
	if !ok {
		return nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+keyIDSize+12+16 || b[0] != sealVersion || strings.ContainsAny(text, "\r\n") {
		return nil
	}
	return b
}

func sealedValue(b []byte) nodes.Value {
	return nodes.String(sealedPrefix + base64.RawURLEncoding.EncodeToString(b))
}

// place is where a parameter stands: what is authenticated with its value.
func place(source, id, param string) []byte {
	return appendText(appendText(appendText([]byte("node"), source), id), param)
}

// seal seals what is secret in a record, which keeps its parameters: the map is replaced.
func (s *Secrets) seal(source string, r *tree.Record) error {
	if s == nil {
		return nil
	}
	var params nodes.Params
	for id, v := range r.Spec.Params {
		if v.IsZero() || Sealed(v) || !s.Param(r.Spec.Type, id) {
			continue
		}
		if len(s.Keys) == 0 {
			return fmt.Errorf("parameter %s of node %s: %w", id, r.Spec.ID, ErrNoKey)
		}
		if params == nil {
			params = maps.Clone(r.Spec.Params)
		}
		params[id] = sealedValue(s.Keys[0].seal(appendValue(nil, v), place(source, r.Spec.ID, id)))
	}
	if params != nil {
		r.Spec.Params = params
	}
	return nil
}

// open opens what is sealed in a record, in its own map; what no key opens stays.
func (s *Secrets) open(source string, r *tree.Record) {
	if s == nil {
		return
	}
	for id, v := range r.Spec.Params {
		if b := sealedBytes(v); b != nil {
			if v, ok := s.value(b, place(source, r.Spec.ID, id)); ok {
				r.Spec.Params[id] = v
			}
		}
	}
}

// due tells whether a record as it is in the file should be sealed anew: it has a
// plain secret, or one that another key than the first opens.
func (s *Secrets) due(source string, r *tree.Record, sealed bool) bool {
	if s == nil || len(s.Keys) == 0 || !sealed && !s.Type(r.Spec.Type) { // as most: this is asked for each node at each start
		return false
	}
	for id, v := range r.Spec.Params {
		b := sealedBytes(v)
		switch {
		case b != nil && !s.Keys[0].fits(b):
			if _, ok := s.value(b, place(source, r.Spec.ID, id)); ok {
				return true
			}
		case b == nil && !v.IsZero() && s.Param(r.Spec.Type, id):
			return true
		}
	}
	return false
}

// value opens one value.
func (s *Secrets) value(b, place []byte) (nodes.Value, bool) {
	for _, k := range s.Keys {
		if !k.fits(b) {
			continue
		}
		content, err := k.aead.Open(nil, nil, b[1+keyIDSize:], place)
		if err != nil {
			continue
		}
		r := reader{b: content}
		v := r.value()
		if !r.bad {
			return v, true
		}
	}
	return nodes.Value{}, false
}

func (k *Key) fits(b []byte) bool { return bytes.Equal(b[1:1+keyIDSize], k.id[:]) }

func (k *Key) seal(content, place []byte) []byte {
	for len(content)%padding != 0 {
		content = append(content, 0)
	}
	out := append([]byte{sealVersion}, k.id[:]...)
	return k.aead.Seal(out, nil, content, place)
}
