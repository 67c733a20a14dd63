//go:build !linux

package persist

import bolt "go.etcd.io/bbolt"

func release(*bolt.Tx) {}
