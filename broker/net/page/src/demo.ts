import "./base.css";
import "./demo.css";
