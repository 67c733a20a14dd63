package persist

import (
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// release takes the mapped pages of the file out of the process's memory (madvise(2),
// MADV_DONTNEED). They are read once at the start, and hardly ever again: a small
// box has better use for the memory. Nothing is lost, since the mapping is only
// read and the file stays as it is. The transaction keeps the mapping in place.
func release(tx *bolt.Tx) {
	info := tx.DB().Info()
	// An error only means that the memory stays in use.
	syscall.Syscall(syscall.SYS_MADVISE, info.Data, uintptr(tx.Size()), syscall.MADV_DONTNEED)
}
