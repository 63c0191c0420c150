// Started by the client as its debug adapter: xensim dap, with this process's standard input and output. XENSIM is its command line.
const { spawn } = require('node:child_process');
const [program, ...words] = JSON.parse(process.env.XENSIM);
spawn(program, [...words, 'dap'], { stdio: 'inherit' }).on('exit', code => process.exit(code ?? 1));
