// The real wsrun in a terminal.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const WSRUN = process.env.WSRUN ?? fileURLToPath(new URL('../../../wsrun', import.meta.url));
const TERMINAL = fileURLToPath(new URL('terminal.py', import.meta.url));

/**
 * Starts wsrun in a terminal of the given size and returns once it listens.
 * @param {number} cols
 * @param {number} rows
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 */
export async function start(cols, rows, args, { env, ...options } = {}) {
  const child = spawn('python3', [TERMINAL, `${cols}`, `${rows}`, WSRUN, '-q', '-a', '127.0.0.1:0', '--linger', 'forever', ...args], {
    ...options,
    env: { ...process.env, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TERM: 'xterm-256color', COLORTERM: 'truecolor', LS_COLORS: '', ...env },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const closed = once(child, 'close');
  const order = (o) => child.stdin.write(`${JSON.stringify(o)}\n`);
  child.stdin.on('error', () => {}); // wsrun has ended, as whatever waits for it will notice
  let said = '';
  for await (const chunk of child.stderr.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    said += chunk;
    const port = Number(said.match(/http:\/\/\S+?:(\d+)\//)?.[1]);
    if (!port) continue;
    child.stderr.resume();
    return {
      port,
      type: (keys) => order({ keys }),
      resize: (cols, rows) => order({ size: [cols, rows] }),
      async stop() {
        child.stdin.end();
        await closed;
      },
    };
  }
  throw new Error(`wsrun says ${said}`);
}
