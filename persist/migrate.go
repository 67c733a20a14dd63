package persist

import (
	"fmt"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// step brings a file from one format to the next one, in one transaction.
type step func(*bolt.Tx) error

// steps are the migrations of this program: the first one leads from format 1 to
// format 2. They are never changed once released.
//
// Format 2 has sealed values (see [Secrets]), which programs of format 1 would take
// for damage; sealing itself is done by [DB.reseal].
var steps = []step{func(*bolt.Tx) error { return nil }}

// migrate brings the file to the newest format. Before the first step it makes a
// backup.
func (db *DB) migrate() error {
	format, err := db.format()
	if err != nil {
		return err
	}
	if format > len(db.o.steps) {
		return nil
	}
	path := db.nextPath(db.lineage)
	if err := db.backup(path, func() error { return nil }); err != nil {
		return fmt.Errorf("hub.db must be changed to a newer format, but the backup before that failed: %w", err)
	}
	db.o.Log.Info("data file is changed to a newer format", "from", format, "to", len(db.o.steps)+1, "backup", path)
	for ; format <= len(db.o.steps); format++ {
		err := db.update(func(tx *bolt.Tx) error {
			if err := db.o.steps[format-1](tx); err != nil {
				return err
			}
			return tx.Bucket(bucketMeta).Put(keyFormat, []byte(strconv.Itoa(format+1)))
		})
		if err != nil {
			return fmt.Errorf("hub.db could not be changed from format %d to %d; the backup before it is %s: %w", format, format+1, path, err)
		}
	}
	return nil
}

func (db *DB) format() (format int, err error) {
	err = db.view(func(tx *bolt.Tx) error {
		format, err = strconv.Atoi(string(tx.Bucket(bucketMeta).Get(keyFormat)))
		return err
	})
	if err == nil && format < 1 {
		err = damaged("format %d", format)
	}
	return format, err
}
