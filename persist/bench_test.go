package persist

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

var serial atomic.Int64

func unique() int64 { return serial.Add(1) }

// folders makes a file with that many folders, ten to a branch.
func folders(b *testing.B, dir string, n int) {
	b.Helper()
	db, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var list []*nodes.Node
	for i := range n / 10 {
		top := &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint("branch ", i), Type: nodes.TypeFolder}}
		for k := range 9 {
			top.Children = append(top.Children, &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint("node ", k), Type: nodes.TypeFolder}})
		}
		list = append(list, top)
	}
	running(b, db, func(t *tree.Tree) {
		if err := t.Import(context.Background(), list); err != nil {
			b.Fatal(err)
		}
	})
}

// running runs a tree during f.
func running(b *testing.B, db *DB, f func(*tree.Tree)) {
	b.Helper()
	t, err := tree.New(tree.Config{Source: "test", Store: db.Tree("test"), Opener: noDevices{}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- t.Run(ctx) }()
	f(t)
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCreate is the time until one node is on disk, below a branch of a tree
// of that size; nothing else is created meanwhile.
func BenchmarkCreate(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint("nodes=", n), func(b *testing.B) {
			dir := b.TempDir()
			folders(b, dir, n)
			db := openTest(b, dir, Options{})
			running(b, db, func(t *tree.Tree) {
				for i := 0; b.Loop(); i++ {
					n := nodes.NewNode{Parent: nodes.In(fmt.Sprint("branch ", i%(n/10))), Type: nodes.TypeFolder, Name: fmt.Sprint("new ", i)}
					if _, err := t.Create(context.Background(), n); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkCreateTogether is the same for 64 at a time, per node.
func BenchmarkCreateTogether(b *testing.B) {
	dir := b.TempDir()
	folders(b, dir, 1000)
	db := openTest(b, dir, Options{})
	running(b, db, func(t *tree.Tree) {
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				n := nodes.NewNode{Parent: nodes.In("branch 1"), Type: nodes.TypeFolder, Name: fmt.Sprint("new ", unique())}
				if _, err := t.Create(context.Background(), n); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkStart is the time from nothing to a loaded tree of 10,000 nodes.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	folders(b, dir, 10_000)
	for b.Loop() {
		db, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		t, err := tree.New(tree.Config{Source: "test", Store: db.Tree("test"), Opener: noDevices{}})
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := t.Info("branch 999/node 8", nodes.Detail{}); !ok {
			b.Fatal("a node is missing")
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
