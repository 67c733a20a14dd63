// Package persist keeps what must survive a restart in one file, hub.db, in the
// data folder: configured nodes and their order, source events, and small named
// shelves for whoever needs one. It is the only user of bbolt and knows nothing of
// devices, callers or protocols.
//
// # What is promised
//
//   - A commit of a tree ([TreeStore.Commit]) is on disk when it returns, whole or
//     not at all, even if the process or the power goes a moment later.
//   - Shelves are written together about once a second while [DB.Run] runs, and
//     at [DB.Close]; a crash loses at most what was put in the last two seconds.
//   - A file that is damaged never makes [Open] panic. It is set aside and the
//     last good backup takes its place; [DB.Recovered] says so. A lock, a missing
//     permission, a full disk or an I/O error is an error instead, and touches
//     nothing.
//   - Parameters that are secrets ([Secrets]) are sealed in the file and in backups,
//     each for its own place. A secret that no key opens is kept as it is, and stands
//     for itself in memory ([Sealed]). When the first key is another one than before,
//     or a file with plain secrets is opened, the whole file is written anew; backups
//     made before stay as they were.
//   - Once a day a backup is made; seven are kept. An empty tree makes none, and
//     a file that began empty never pushes out backups of another one.
//
// # The folder
//
//	hub.db                  the data
//	hub.lock                held by the running hub
//	hub.db.restore          a backup that the next start puts in place
//	hub.db.damaged-TIME     files set aside, the last three
//	backups/hub-NUMBER-TIME-LINEAGE.db
//
// # The file
//
// Buckets: meta (format, identity, lineage); sources/NAME/nodes (by node id),
// /events (by sequence number), /shelves/DEVICE; shelves/NAME. Every record is a
// version byte, the content, and a CRC-32C over key, version and content, because
// bbolt has no checksums but on its two meta pages. A record of a version that this
// program does not know is refused, not guessed at.
package persist
