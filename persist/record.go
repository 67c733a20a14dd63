package persist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// What can be wrong with a record.
var (
	errRecord = errors.New("the record is damaged")
	errNewer  = errors.New("the record was written by a newer version of this program; install that one")
)

// seal ends a record, whose first byte is its version, with a checksum over key
// and record.
func seal(key []byte, record []byte) []byte {
	return binary.LittleEndian.AppendUint32(record, sum(key, record))
}

func sum(key, record []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, record)
}

// unseal returns the content of a record after its version byte, which must be
// at most the one given. The content is part of the record.
func unseal(key, record []byte, newest byte) (content []byte, version byte, err error) {
	n := len(record) - 4
	if n < 1 || sum(key, record[:n]) != binary.LittleEndian.Uint32(record[n:]) {
		return nil, 0, errRecord
	}
	if record[0] > newest {
		return nil, record[0], fmt.Errorf("%w (record version %d)", errNewer, record[0])
	}
	return record[1:n], record[0], nil
}
