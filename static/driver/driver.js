// @ts-check
/**
 * A driver is where a stream comes from: a WebSocket today. The page gives it four
 * callbacks and then calls connect; it never needs to know which driver it has.
 *
 * - `hello` comes first on every connection. Unless it says `resumed`, what was shown
 *   before is out of date.
 * - `output` and `event` follow in the stream's own order, and only between a `hello`
 *   and the `closed` that ends that connection. The bytes belong to the callee.
 * - `closed` comes once for each connection that ends, or can't be made. The driver
 *   connects again after `retryMs`; if that is negative, it never does.
 * - `connect` connects at once, also while the driver waits to retry. It does nothing
 *   if there is a connection.
 * - `close` ends the connection without calling `closed`. No callback comes after it
 *   until `connect` is called again, which resumes the stream.
 *
 * @typedef {object} Driver
 * @property {() => void} connect
 * @property {() => void} close
 *
 * @typedef {object} Callbacks
 * @property {(hello: Hello) => void} hello
 * @property {(bytes: Uint8Array) => void} output
 * @property {(event: StreamEvent) => void} event
 * @property {(closed: {code: number, retryMs: number}) => void} closed code is a WebSocket's close code
 */

/**
 * The events of wsrun.v1, as docs/protocol.md describes them. Times are milliseconds
 * since 1970, by the server's clock.
 *
 * @typedef {object} Kept the part of a prelude that is output
 * @property {number} from in bytes of the prelude, as UTF-8
 * @property {number} to
 * @property {number} offset of its first byte in the stream
 * @property {number} line
 *
 * @typedef {object} Position where output continues, and how a terminal gets there
 * @property {number} offset of the next byte
 * @property {number} line that the next byte is in, from 1
 * @property {number} end of the backlog
 * @property {string} prelude
 * @property {Kept} [kept]
 * @property {[number, number][]} times [offset, ms]: when the output from offset on was written
 *
 * @typedef {object} HelloFields
 * @property {'hello'} event
 * @property {string} kind
 * @property {string} epoch
 * @property {boolean} resumed
 * @property {string} title
 * @property {number} started
 * @property {number} now
 * @property {number} cols
 * @property {number} rows
 * @property {'running' | 'ended'} state
 * @property {number} viewers
 * @property {boolean} lf
 * @property {boolean} exact
 *
 * @typedef {object} ResetFields
 * @property {'reset'} event
 * @property {number} skippedLines
 * @property {number} skippedBytes
 *
 * @typedef {Position & HelloFields} Hello
 * @typedef {Position & ResetFields} Reset
 * @typedef {{event: 'resize', cols: number, rows: number}} Resize
 * @typedef {object} FileStart where output continues in another file, or in one with other content
 * @property {string} epoch
 * @property {number} offset
 * @property {number} line
 *
 * @typedef {{event: 'file', state: string, reason: string, lost?: number} & Partial<FileStart>} FileChange
 * @typedef {{event: 'numbers', line: number}} Numbers the next byte is in that line, and what came before was numbered from 1
 * @typedef {{event: 'viewers', n: number}} Viewers
 * @typedef {{event: 'exit', code: number | null, signal: string, durationMs: number}} Exit
 * @typedef {{event: 'ping'}} Ping
 * @typedef {Reset | Resize | FileChange | Numbers | Viewers | Exit | Ping} StreamEvent
 */

export {};
